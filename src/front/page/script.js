/* Keeps the page true. It holds no words: they come with the page and with each answer. */
(function () {
  'use strict';
  var AUTO_S = 10, LOST_MIN_S = 2, LOST_MAX_S = 30, ASK_MS = 15000, SAY_MS = 60000;
  var d = document, set = el('page').dataset, go = el('go'), auto = el('auto');
  var timer, due = 0, asking = false, gone = false, failures = 0;
  var called = false, goAt = 0, claimEnd = 0, said = '', saidAt = Date.now();

  function el(id) { return d.getElementById(id); }
  function put(id, text) { var e = el(id); if (e && e.textContent !== text) e.textContent = text; }
  function show(id, yes) { var e = el(id); if (e) e.hidden = !yes; }
  function note(id, text) { put(id, text || ''); show(id, !!text); }
  function words(pattern, until) {
    var s = Math.max(0, Math.ceil((until - Date.now()) / 1000)), m = Math.floor(s / 60), h = Math.floor(m / 60);
    return pattern.replace('#', (h ? h + '\u00a0h ' : '') + (m ? m % 60 + '\u00a0min ' : '') + (s % 60) + '\u00a0s');
  }

  function again(seconds) {
    clearTimeout(timer);
    due = Date.now() + seconds * 1000;
    timer = setTimeout(poll, seconds * 1000);
  }

  function poll() {
    if (asking || gone) return;
    asking = true;
    var ask = new XMLHttpRequest();
    ask.open('GET', '/.preau/status' + (set.room ? '?room=' + encodeURIComponent(set.room) : ''));
    ask.setRequestHeader('Accept', 'application/json');
    ask.timeout = ASK_MS;
    ask.onloadend = function () {
      var answer = null;
      asking = false;
      try { answer = ask.status === 200 && JSON.parse(ask.responseText); } catch (e) { /* lost */ }
      if (gone) return;
      if (!set.poll) return ask.status ? enter() : later();
      if (answer && answer.state) heard(answer); else lost();
      tick();
    };
    ask.send();
  }

  function heard(answer) {
    var text = answer.text || {};
    failures = 0;
    note('lost');
    /* A form is sent by its writer, never by the page. */
    if (answer.state !== 'waiting' && answer.state !== 'called') return set.form ? look(turn(true)) : enter();
    again(answer.poll_after_seconds || LOST_MAX_S);
    put('place', text.place);
    put('wait', text.wait);
    put('updated', answer.updated);
    note('note', text.note);
    d.title = text.title;
    var turned = turn(answer.state === 'called', answer.claim_seconds);
    look(turned);
    if (isTime()) return enter();
    say(text.title + '. ' + text.wait + '. ' + (soon() || text.note || ''), turned);
  }

  /* The last state stays; the wait is drawn by lot, so that a restart does not meet a herd. */
  function lost() {
    failures += 1;
    var most = Math.min(LOST_MAX_S, LOST_MIN_S * Math.pow(2, failures));
    again(LOST_MIN_S + Math.random() * (most - LOST_MIN_S));
    note('lost', words(set.lost, due));
    say(el('lost').textContent);
  }

  function turn(yes, seconds) {
    var turned = yes !== called;
    called = yes;
    if (turned) goAt = yes && !set.form ? Date.now() + Math.min(AUTO_S, (seconds || AUTO_S) / 2 + 1) * 1000 : 0;
    claimEnd = yes && seconds ? Date.now() + seconds * 1000 : 0;
    show('line', !yes);
    show('turn', yes);
    return turned;
  }

  /* What has been said is looked at, unless somebody is typing the code of a class. */
  function look(turned) {
    var now = d.activeElement;
    if (turned && !(now && now.form)) el(called ? 'turn' : 'line').querySelector('h1').focus();
  }

  /* Reloading keeps a form and the part behind the # sign; nothing is asked after it. */
  function enter() {
    gone = true;
    goAt = 0;
    clearTimeout(timer);
    if (set.form || go.href === location.href.split('#')[0]) location.reload();
    else location.assign(go.href);
  }

  function later() {
    goAt = Date.now() + LOST_MAX_S * 1000;
    tick();
  }

  function soon() { return goAt && auto.checked ? words(set.soon, goAt) : ''; }
  function isTime() { return goAt && auto.checked && Date.now() >= goAt; }

  function tick() {
    if (failures) put('lost', words(set.lost, due));
    put('left', claimEnd > Date.now() ? words(set.claim, claimEnd) : '');
    put('soon', soon());
    show('again', !soon());
    /* Whether one can go is asked of us: what browsers say of being online is not always so. */
    if (isTime() && (!failures || Date.now() >= due)) poll();
  }

  /* Read aloud at most once a minute, except when the turn has come. */
  function say(text, now) {
    if (text === said || (!now && Date.now() - saidAt < SAY_MS)) return;
    said = text;
    saidAt = Date.now();
    put('say', text);
  }

  function wake() {
    if (set.poll && !d.hidden && (failures || Date.now() >= due)) poll();
  }

  function remember(value) {
    try {
      if (value) sessionStorage.setItem('preau-auto', value);
      return sessionStorage.getItem('preau-auto');
    } catch (e) { return null; }
  }

  show('stuck', false);
  show('alone', true);
  show('go', true);
  show('choice', (set.poll || set.retry) && !set.form);
  auto.checked = remember() !== 'off';
  auto.onchange = function () {
    remember(auto.checked ? 'on' : 'off');
    if (goAt) goAt = Math.max(goAt, Date.now() + AUTO_S * 1000);
    tick();
  };
  go.onclick = function (event) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    enter();
  };
  if (set.retry) goAt = Date.now() + (+set.retry + Math.random() * Math.min(set.retry / 4, 60)) * 1000;
  if (set.called) turn(true, +set.called);
  setInterval(tick, 1000);
  if (!set.poll) return;
  if (navigator.cookieEnabled === false) return show('cookies', true);
  again(+set.poll);
  d.addEventListener('visibilitychange', wake);
  addEventListener('online', wake);
  addEventListener('pageshow', function (event) {
    if (event.persisted) { gone = false; wake(); }
  });
}());
