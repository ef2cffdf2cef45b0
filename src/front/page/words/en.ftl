# What visitors read. Short sentences, one idea each,
# and always the same word for the same thing: place, line, go in.
# The sign # stands for a length of time that the script writes.

page =
    .room = Waiting room
    .line = You are in the line
    .turn = It is your turn
    .lane = Your line
    .lanes = Several lines move together.
    .code = Code of the class:
    .join = Join the class
    .place = Your place
    .wait = Your wait
    .keep = Do not reload, your place is kept.
    .alone = This page updates itself.
    .entry = When it is your turn, you will go in automatically.
    .phone = There is no need to call the school: it cannot let you in any faster.
    .updated = Last update:
    .lost = Connection lost, trying again in #. Your place is kept.
    .cookies = Your browser refuses cookies. Accept them for this site: without them, we cannot keep your place.
    .stuck = Nothing changes?
    .reload = Refresh the page
    .stuck_keep = You keep your place.
    .pause = Pause the updates
    .paused = The updates are paused.
    .resume = Resume
    .form = Your form has not been sent yet. When it is your turn, press “Go in”: it is sent then. If your browser asks to send it again, accept.
    .form_manual = Without JavaScript, this page does not update itself. Reload it every minute and accept to send the form again.
    .open = You can go in now.
    .enter = Go in
    .enter_auto = Go in automatically at my turn
    .enter_soon = Going in automatically in #.
    .claim = You have # left to go in.
    .retry = Try again
    .retry_auto = Try again automatically
    .retry_soon = Trying again in #.
    .reference = Reference:
    .frame_title = This site has a waiting line
    .frame_words = You cannot wait here: this frame belongs to another site, and your place would not be kept in it.
    .frame_open = Open in a new window

wait =
    .moment = a moment
    .over-an-hour = more than an hour
    .unknown = not known yet
    .called = You can go in

reason =
    .portal-down = The site does not answer. The line will move again as soon as it does. Your place is kept.
    .held = The people in charge of the site have stopped the line. It will move again by itself. Your place is kept.
    .slower = The site is slower than expected. Your wait is longer than we said.
    .fewer-left = Fewer people than expected have left the line. Your wait is longer than announced.
    .stopped = The line stood still for a while. Your wait is longer than announced.
    .hours = Your group is not let in at this hour. Your place is kept.
    .next-hours = Your group is let in at certain hours, which may end before your turn. Your wait may be longer. Your place is kept.

class =
    .title = Code of the class
    .what = Open a code for your class. Those who wait type it, and go in together.
    .people = Number of people:
    .minutes = Minutes:
    .open = Open a code
    .tell = Tell your class this code. It is typed on the waiting page.
    .wrong = This code is not open. Check it with your teacher. Your place is kept.
    .many = Too many attempts. Wait a minute. Your place is kept.
    .full = Too many codes are open. Try again in a few minutes.
    .forbidden = You cannot open a code. You have to be inside, and to be allowed to.
    .numbers = The number of people is from 1 to 500, the minutes from 1 to 120.
    .back = Back to the line
class-valid = For { $people } people, for { $minutes } min.
lane =
    .others = Everybody else
lane-share =
    { $count ->
        [one] { $title }: { $count } call out of { $all }
       *[other] { $title }: { $count } calls out of { $all }
    }
lane-seats =
    { $count ->
        [one] { $count } seat kept
       *[other] { $count } seats kept
    }
lane-enters = let in { $hours }
lane-hours = { $days } from { $from } to { $to }
lane-days = { $first } to { $last }
lane-day =
    .mon = Monday
    .tue = Tuesday
    .wed = Wednesday
    .thu = Thursday
    .fri = Friday
    .sat = Saturday
    .sun = Sunday
    .all = every day
weekday =
    .n1 = Monday
    .n2 = Tuesday
    .n3 = Wednesday
    .n4 = Thursday
    .n5 = Friday
    .n6 = Saturday
    .n7 = Sunday
month =
    .n1 = January
    .n2 = February
    .n3 = March
    .n4 = April
    .n5 = May
    .n6 = June
    .n7 = July
    .n8 = August
    .n9 = September
    .n10 = October
    .n11 = November
    .n12 = December
moment-today = at { $time }
moment-day = on { $weekday } { $day } { $month } at { $time }
reopens = Opens again { $moment }.
gathers = Come and wait { $moment }: places will be drawn by lot.
held-until = The people in charge of the site have stopped the line. It will move again { $moment }. Your place is kept.
hours-shut = Your group ({ $title }) is let in { $hours }. Your line will move { $moment }. Your place is kept.
hours-next = Your group ({ $title }) is let in { $hours }. If these hours end before your turn, your line will move again { $moment }. Your place is kept.
hours-over = Your group ({ $title }) was let in { $hours }. These hours are over.
draw-note = Places will be drawn by lot { $moment }, among those who wait by then. Coming earlier changes nothing.
draw-place = draw { $moment }
title-draw = Draw { $moment } – waiting room

title-waiting = Place { $place } – waiting room

wait-between = between { $low } and { $high } minutes
wait-below =
    { $count ->
        [1] less than a minute
       *[other] less than { $count } minutes
    }
wait-about =
    { $count ->
        [one] about { $count } minute
       *[other] about { $count } minutes
    }
wait-at-least =
    { $count ->
        [one] at least { $count } minute
       *[other] at least { $count } minutes
    }

kept =
    { $count ->
        [one] Your place is kept for { $count } minute.
       *[other] Your place is kept for { $count } minutes.
    }
retry-seconds =
    { $count ->
        [one] Try again in { $count } second.
       *[other] Try again in { $count } seconds.
    }
retry-minutes =
    { $count ->
        [one] Try again in { $count } minute.
       *[other] Try again in { $count } minutes.
    }

bad-request =
    .title = Request not understood
    .words = Your browser sent a request that we do not understand.
    .todo = Go back to the home page of the site and start again.
uri-too-long =
    .title = Address too long
    .words = The address that was asked for is too long.
    .todo = Go back to the home page of the site and start again.
headers-too-large =
    .title = Request too large
    .words = Your browser sent too much information, often because of old cookies.
    .todo = Delete the cookies of this site, then start again.
method-not-allowed =
    .title = Not possible here
    .words = This address does not accept this action.
    .todo = Go back to the home page of the site and start again.
not-implemented =
    .title = Unknown action
    .words = This server does not know this action.
    .todo = Go back to the home page of the site and start again.
expectation-failed =
    .title = Request not possible
    .words = Your software sets a condition that this server cannot meet.
    .todo = Use an up-to-date browser.
ambiguous =
    .title = Ambiguous address
    .words = This address can be read in several ways, which lead to different places.
    .todo = Go back to the home page of the site and start again.
misdirected =
    .title = Nothing at this address
    .words = No site is served at this address.
    .todo = Check the address, then start again.
other-connection =
    .title = Opened for another address
    .words = Your browser used a connection that belongs to another site.
    .todo = Load the page again: your browser will open a new connection.
portal-down =
    .title = The site does not answer
    .words = The site is stopped or broken. We keep watching it.
    .todo = There is no need to call the school.
portal-broken =
    .title = The site gave a bad answer
    .words = We could not read the answer of the site.
    .todo = If you had just sent a form, check whether it was received before you send it again.
portal-slow =
    .title = The site is too slow
    .words = The site did not answer in time.
    .todo = If you had just sent a form, check whether it was received before you send it again.
part-unavailable =
    .title = Page not available at the moment
    .words = The site answers, but not this part of it: it is stopped, or too many want it. Other pages may work.
    .todo = If you had just sent a form, check whether it was received before you send it again.
part-broken =
    .title = Page broken
    .words = The site answers, but this part of it is broken. Other pages may work.
    .todo = If you had just sent a form, check whether it was received before you send it again.
part-slow =
    .title = Page too slow
    .words = The site answers, but not this part of it: it takes too long. Other pages may work.
    .todo = If you had just sent a form, check whether it was received before you send it again.
part-failed =
    .title = Page in error
    .words = The site has answered with an error, and not one word more. Other pages may work.
    .todo = If you had just sent a form, check whether it was received before you send it again.
loop =
    .title = The site goes round in circles
    .words = The site sends us back the requests that we hand to it. Something is set up wrongly.
    .todo = Those who run the site have to put it right. Come back later.
busy =
    .title = The site is very busy
    .words = The site has too much work at the moment. You are still inside.
    .todo = Your request was not sent to the site. You can safely make it again.
closed =
    .title = The site is closed
    .words = The people in charge of the site have closed it for the moment.
    .todo = Come back later. There is no need to call the school.
line-full =
    .title = The line is full
    .words = Too many people are waiting already. We cannot give you a place at the moment.
    .todo = Come back a little later.
too-many-tickets =
    .title = Too many requests at once
    .words = Many people are arriving at the same time from your network.
    .todo = If you were already waiting, your place is kept.
draining =
    .title = One moment
    .words = We are restarting. Places and visits are kept.
    .todo = Your request was not sent to the site. You can safely make it again.
internal =
    .title = An error on our side
    .words = The waiting room could not handle your request.
    .todo = If the problem lasts, give the reference below to the support of the site.
not-inside =
    .title = Open a page first
    .words = You are not inside the site yet.
    .todo = Open a page of the site: you will go in, or take a place in the line.
too-slow =
    .title = The request came too slowly
    .words = Your request did not arrive whole: the connection is probably poor.
    .todo = Check your connection, then try again.
plain-port =
    .title = This is not the right address
    .words = This port speaks HTTP, and your software HTTPS.
    .todo = Check the address: the port, or “http” instead of “https”.
tls-port =
    .title = This is not the right address
    .words = This port speaks HTTPS, and your software HTTP.
    .todo = Write “https” at the beginning of the address, instead of “http”.
too-many-connections =
    .title = Too many connections
    .words = Too many connections are open at the moment, here or from your network.
    .todo = If you are inside or in the line, you still are. Try again in a moment.
