//! What operators see: the desk, the command line, the logs.

mod support;

use nix::sys::signal::Signal;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{Portal, Preau, Process, Turns, Unstarted, free_port, get, one_room, until};

fn preau(arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_preau"))
        .args(arguments)
        .output()
        .expect("the binary can be run")
}

fn words(output: &std::process::Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{out}{err}")
}

/// Each bound and each thing that must never happen has a series, also before it happens.
const SERIES: [&str; 44] = [
    "preau_queue_jumps_total",
    "preau_seat_overshoot_total",
    "preau_room_stalled_seconds_total",
    // Its name until 0.1.0; dashboards know it.
    "preau_seat_overshoot",
    "preau_build_info",
    "preau_room_seats",
    "preau_room_seats_taken",
    "preau_room_seats_reserve",
    "preau_room_callback_seats_taken",
    "preau_room_callback_seats_reserve",
    "preau_room_callbacks_total",
    "preau_room_callbacks_only_total",
    "preau_room_waiting",
    "preau_room_line_max",
    "preau_room_let_in_total",
    "preau_room_let_in_served",
    "preau_room_per_minute",
    "preau_room_promises_scored_total",
    "preau_room_promises_kept_total",
    "preau_room_promises_raised_total",
    "preau_room_promise_coverage",
    "preau_room_promise_error",
    "preau_room_promise_late",
    "preau_room_promise_raised",
    "preau_room_polls_total",
    "preau_room_poll_budget_per_second",
    "preau_room_poll_stretch",
    "preau_room_numbers_reserved",
    "preau_room_work_only_total",
    "preau_portal_slots",
    "preau_portal_in_flight",
    "preau_portal_slot_queue",
    "preau_portal_slot_queue_max",
    "preau_server_up",
    "preau_connections_max",
    "preau_connections_refused_total",
    "preau_header_bytes_max",
    "preau_newcomers_per_minute_max",
    "preau_callbacks_per_minute_max",
    "preau_room_callbacks_limited_total",
    "preau_error_pages_total",
    "preau_store_errors_total",
    "preau_store_late_total",
    "preau_access_lines_dropped_total",
];

#[tokio::test]
async fn the_desk_shows_the_room_as_table_json_and_series() {
    let portal = Portal::start().await;
    let running = Preau::start(&one_room(&portal.url(), "seats = 1")).await;
    running.visitor("anna", "ent").walk_in("/").await;
    running.visitor("bilal", "ent").line_up("/").await;
    for name in SERIES {
        running.metric(name, &[]).await;
    }
    let admin = running.admin().to_string();
    let table = preau(&["status", "--admin", &admin]);
    assert!(table.status.success(), "{}", words(&table));
    let table = words(&table);
    for word in ["ent", "queue", "1/1", "not known yet", "up"] {
        assert!(table.contains(word), "no {word:?} in\n{table}");
    }
    let json = preau(&["status", "--admin", &admin, "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(json["rooms"][0]["waiting"], 1);
    assert_eq!(json["portals"][0]["servers"][0]["up"], true);
    let nothing = get(running.admin(), "/").await.expect("an answer");
    assert!(nothing.text().contains("/metrics"));
}

/// People wait although seats are free, because so few may go in a minute: the one page says it, and so
/// does the desk.
#[tokio::test]
async fn a_bound_on_newcomers_is_what_people_wait_for() {
    let portal = Portal::start().await;
    let running = Preau::start(&one_room(&portal.url(), "seats = 9\nper_minute = 20")).await;
    running.visitor("anna", "ent").walk_in("/").await;
    let mut bilal = running.visitor("bilal", "ent");
    bilal.line_up("/").await;
    let mut chloe = running.visitor("chloe", "ent");
    let told = chloe.line_up("/").await;
    assert_eq!(told.position, Some(2), "{told:?}");
    let promised = told
        .wait_seconds
        .expect("nobody has left, and yet it is known");
    assert!((2.5..=6.0).contains(&promised.low), "{promised:?}");
    let admin = running.admin().to_string();
    let table = words(&preau(&["status", "--admin", &admin]));
    let line = "ent: at most 20 newcomers a minute: people wait for that, though seats are free";
    assert!(table.contains(line), "{table}");
    assert_eq!(running.room("ent").await["per_minute"], 20);
    let bound = running.metric("preau_room_per_minute", &[]).await;
    assert!((bound - 20.0).abs() < f64::EPSILON);
    let turns = Turns::default();
    for (order, visitor) in (1..).zip([&mut bilal, &mut chloe]) {
        visitor.wait_for_turn(&turns, order, |_| ()).await;
        visitor.walk_in("/").await;
    }
    running.assert_nothing_forbidden().await;
}

/// Whoever was let in and then met an error, or pages that did not come, is told from those who were
/// served.
#[tokio::test]
async fn the_first_minutes_of_those_let_in_are_told() {
    let portal = Portal::start().await;
    let running = Preau::start(&one_room(&portal.url(), "seats = 9")).await;
    let unknown = words(&preau(&["status", "--admin", &running.admin().to_string()]));
    assert!(unknown.contains("well served"), "{unknown}");
    for (name, paths) in [
        ("anna", &["/", "/espace", "/assets/style.css"][..]),
        ("bilal", &["/", "/espace", "/erreur"]),
        ("chloe", &["/lent?ms=2200"]),
        ("david", &["/", "/espace", "/connexion", "/lent?ms=2200"]),
    ] {
        let mut visitor = running.visitor(name, "ent");
        for path in paths {
            visitor.get(path).await;
        }
        visitor.log_out().await;
    }
    for (outcome, count) in [("served", 2.0), ("slow", 1.0), ("failed", 1.0)] {
        let labels = [("outcome", outcome)];
        let counted = running.metric("preau_room_let_in_total", &labels);
        assert_eq!(counted.await, count, "{outcome}");
    }
    let first = running.room("ent").await["first_minutes"].clone();
    assert_eq!(first["share"], 0.5, "{first}");
    assert_eq!(
        (&first["served"], &first["failed"]),
        (&2.into(), &1.into()),
        "{first}"
    );
    let table = words(&preau(&["status", "--admin", &running.admin().to_string()]));
    assert!(table.contains("50 %"), "{table}");
}

/// Prometheus' own reading of what the desk says.
#[tokio::test]
async fn promtool_finds_nothing_to_complain_of() {
    let portal = Portal::start().await;
    let lanes = "seats = 1\n[[room.lane]]\nname = \"teachers\"\npath = \"/teacher/**\"";
    let running = Preau::start(&one_room(&portal.url(), lanes)).await;
    running.visitor("anna", "ent").walk_in("/").await;
    running.visitor("bilal", "ent").line_up("/").await;
    let metrics = running.metrics().await;
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is there: apt-get install prometheus");
    let mut input = promtool.stdin.take().expect("piped");
    input.write_all(metrics.as_bytes()).expect("it reads");
    drop(input);
    let found = promtool.wait_with_output().expect("it ends");
    assert!(found.status.success(), "{}\nin\n{metrics}", words(&found));
    assert_eq!(words(&found), "", "in\n{metrics}");
}

/// Each help text is read alone, in a dashboard: it says what the series is, not what its neighbour is.
#[tokio::test]
async fn each_series_is_explained_by_itself() {
    let portal = Portal::start().await;
    let running = Preau::start(&one_room(&portal.url(), "seats = 1")).await;
    let metrics = running.metrics().await;
    let helps = metrics.lines().filter_map(|it| it.strip_prefix("# HELP "));
    let mut seen = 0;
    for help in helps {
        seen += 1;
        let (name, words) = help.split_once(' ').unwrap_or((help, ""));
        assert!(words.len() > 8, "{name} is not explained: {words:?}");
        assert!(
            !words.contains("the same"),
            "{name} leans on another: {words:?}"
        );
    }
    assert!(seen > 60, "{seen} series");
}

/// What there is none of is not shown as zero.
#[tokio::test]
async fn a_portal_whose_seats_are_written_has_none_that_were_found() {
    let portal = Portal::start().await;
    let running = Preau::start(&one_room(&portal.url(), "seats = 1")).await;
    assert!(running.metric("preau_portal_seats", &[]).await.is_nan());
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    assert_eq!(running.metric("preau_build_info", &version).await, 1.0);
}

#[tokio::test]
async fn observing_holds_nobody_and_advises_once_it_has_seen_enough() {
    let portal = Portal::start().await;
    let room = "seats = 2\nmode = \"observe\"";
    let running = Preau::start(&one_room(&portal.url(), room)).await;
    let admin = running.admin().to_string();
    let advise = || {
        let json = preau(&["advise", "--admin", &admin, "--json"]);
        let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
        json["rooms"][0].clone()
    };
    let nothing = advise();
    for what in ["seats", "slots", "idle_seconds"] {
        assert!(nothing[what]["advised"].is_null(), "{nothing}");
        let why = nothing[what]["why"].as_str().expect("words");
        assert!(why.starts_with("not yet"), "{nothing}");
    }
    for _ in 0..20 {
        let mut visitors: Vec<_> = (0..5).map(|_| running.visitor("anna", "ent")).collect();
        for visitor in &mut visitors {
            visitor.walk_in("/").await;
            visitor.get("/").await;
        }
        for visitor in &mut visitors {
            visitor.log_out().await;
        }
    }
    let advice = advise();
    assert_eq!(advice["peak_inside"], 5, "{advice}");
    assert_eq!(advice["visits"]["count"], 100, "{advice}");
    assert!(advice["seats"]["advised"].as_u64() >= Some(5), "{advice}");
    assert!(advice["slots"]["advised"].as_u64() >= Some(6), "{advice}");
    assert!(advice["idle_seconds"]["advised"].is_null(), "{advice}");
    assert!(
        advice["observed"]["would_wait"].as_u64() > Some(0),
        "{advice}"
    );
    assert!(running.metric("preau_room_would_wait_total", &[]).await >= 60.0);
    assert!(running.metric("preau_room_would_be_longest", &[]).await >= 3.0);
    let table = words(&preau(&["advise", "--admin", &admin]));
    for word in ["ent", "observe", "seats", "pauses", "With 2 seats"] {
        assert!(table.contains(word), "no {word:?} in\n{table}");
    }
}

#[tokio::test]
async fn no_file_is_needed() {
    let portal = Portal::start().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [listen, admin] = [free_port(), free_port()];
    let mut command = Command::new(env!("CARGO_BIN_EXE_preau"));
    command
        .current_dir(folder.path())
        .args(["serve", "--portal", &portal.url(), "--seats", "1"])
        .args(["--listen", &listen.to_string()])
        .args(["--admin", &admin.to_string()])
        .args(["--state", "here", "--set", "room.poll.min=1s"]);
    let mut process = Process::start("preau", &mut command, &folder.path().join("output"));
    until("it is ready", async || {
        let answer = get(admin, "/readyz").await.ok()?;
        answer.status.is_success().then_some(())
    })
    .await;
    support::Visitor::new(listen, "anna", "room")
        .walk_in("/espace")
        .await;
    support::Visitor::new(listen, "bilal", "room")
        .line_up("/espace")
        .await;
    assert!(folder.path().join("here/keys.toml").exists());
    process.signal(Signal::SIGTERM);
    assert_eq!(process.end().await.code(), Some(0), "{}", process.printed());
}

#[test]
fn exit_codes_are_as_documented() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let good = folder.path().join("good.toml");
    let bad = folder.path().join("bad.toml");
    let port = free_port();
    std::fs::write(&good, format!("[[portal]]\nservers = \"http://{port}\"\n")).expect("a file");
    std::fs::write(
        &bad,
        "[[portal]]\nserver = \"http://x\"\n[[room]]\nseats = 0\n",
    )
    .expect("a file");
    let path = |path: &std::path::Path| path.display().to_string();
    let check = |file: &str| preau(&["check", "--config", file]);

    let answer = check(&path(&good));
    assert_eq!(answer.status.code(), Some(0), "{}", words(&answer));
    assert!(words(&answer).contains("warning"), "nobody listens there");
    let answer = check(&path(&bad));
    assert_eq!(answer.status.code(), Some(1));
    for word in ["bad.toml:2", "bad.toml:4", "servers", "errors"] {
        assert!(
            words(&answer).contains(word),
            "no {word:?} in {}",
            words(&answer)
        );
    }
    assert_eq!(check("/nowhere/proxy.toml").status.code(), Some(2));
    assert_eq!(
        preau(&["serve", "--config", &path(&bad)]).status.code(),
        Some(1)
    );
    assert_eq!(preau(&["serve", "--sets", "x"]).status.code(), Some(2));
    let deaf = preau(&["status", "--admin", &port.to_string()]);
    assert_eq!(deaf.status.code(), Some(1));
    assert!(words(&deaf).contains("Does preau run there?"));
}

#[tokio::test]
async fn the_access_log_tells_what_happened_and_nothing_more() {
    for (format, line_of_espace) in [
        ("json", "\"path\":\"/espace\",\"status\":302"),
        ("combined", "\"GET /espace HTTP/1.1\" 302"),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("access.log");
        let portal = Portal::start().await;
        let tables = format!(
            "log = {{ access = {format:?}, access_file = {file:?} }}\n{}",
            one_room(&portal.url(), "seats = 1")
        );
        let running = Preau::start(&tables).await;
        let mut anna = running.visitor("anna", "ent");
        anna.extra
            .push(("referer", "http://ent.example.fr/x?jeton=42".to_owned()));
        anna.walk_in("/espace?ticket=ST-secret").await;
        running.visitor("bilal", "ent").line_up("/espace").await;
        running.stop().await;
        let text = std::fs::read_to_string(&file).expect("the log is written");
        assert!(text.contains(line_of_espace), "{text}");
        assert!(text.contains("127.0.0.0") && text.contains(" 503 ") | text.contains(":503,"));
        for secret in ["ST-secret", "jeton", "preau-ent", "127.0.0.1"] {
            // The host that was asked for is a loopback address too.
            let text = text.replace("\"host\":\"127.0.0.1", "");
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

#[tokio::test]
async fn a_path_that_does_not_renew_does_not_hold_the_seat() {
    let portal = Portal::start().await;
    let room = "seats = 1\nidle = \"3s\"\nfirst_idle = \"3s\"\nnon_renewing = [\"/sante\"]";
    let running = Preau::start(&one_room(&portal.url(), room)).await;
    let mut anna = running.visitor("anna", "ent");
    anna.walk_in("/").await;
    until(
        "the seat is given back although the page pings",
        async || {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let taken = running.metric("preau_room_seats_taken", &[]).await;
            if taken > 0.0 {
                anna.get("/sante").await;
            }
            (running.metric("preau_room_idle_out_total", &[]).await > 0.0).then_some(())
        },
    )
    .await;
}

/// A reload applies nothing of the file; it says what it would be.
#[tokio::test]
async fn a_reload_says_what_has_changed_in_the_file() {
    let portal = Portal::start().await;
    let home = Unstarted::new(&one_room(&portal.url(), "seats = 1"));
    let before = std::fs::read_to_string(home.config()).expect("its file");
    let running = home.start().await;
    let says = async |words: &str| {
        running.ask_to_reload();
        let said = async || running.printed().contains(words).then_some(());
        until(words, said).await;
    };
    says("says what it said at the start").await;
    let after = before.replace("seats = 1", "seats = 2") + "idle = \"3m\"\n";
    std::fs::write(running.config(), &after).expect("written");
    says("only after a restart").await;
    let line = running.printed();
    let line = line
        .lines()
        .find(|line| line.contains("only after a restart"));
    let line = line.expect("just seen");
    assert!(line.contains("room.ent.idle, room.ent.seats"), "{line}");
    std::fs::write(running.config(), before + "ilde = \"3m\"\n").expect("written");
    says("a restart would fail").await;
    assert!(
        running.printed().contains("`ilde`"),
        "{}",
        running.printed()
    );
    running.visitor("anna", "ent").walk_in("/").await;
}

#[tokio::test]
async fn of_rooms_that_let_nobody_in_no_wait_is_said() {
    let portal = Portal::start().await;
    let table = async |room: &str| {
        let running = Preau::start(&one_room(&portal.url(), room)).await;
        words(&preau(&["status", "--admin", &running.admin().to_string()]))
    };
    for mode in ["hold", "closed"] {
        let table = table(&format!("mode = \"{mode}\"")).await;
        assert!(table.contains("nobody is let in"), "{table}");
    }
    let schedule = "[[room.schedule]]\nwhen = \"daily 00:00-24:00\"\nmode = \"queue\"\n";
    let queue = table(&format!("seats = 1\n{schedule}")).await;
    assert!(!queue.contains("nobody"), "{queue}");
    let today = jiff::tz::Offset::UTC
        .to_datetime(jiff::Timestamp::now())
        .date();
    let last = today.saturating_add(jiff::Span::new().days(2));
    let dates = format!("[[room.schedule]]\nwhen = \"2020-01-01..{last}\"\nmode = \"closed\"\n");
    let closed = table(&dates).await;
    // Once in the table, once in the words below it: in the same form.
    let end = last
        .tomorrow()
        .expect("a day")
        .strftime("%a %Y-%m-%d 00:00");
    assert_eq!(closed.matches(&end.to_string()).count(), 2, "{closed}");
}

#[tokio::test]
async fn the_desk_is_found_by_the_file_from_which_preau_runs() {
    let running = Preau::start(&one_room(&format!("http://{}", free_port()), "seats = 1")).await;
    let file = running.config().display().to_string();
    let text = std::fs::read_to_string(&file).expect("it was written");
    for command in ["status", "advise"] {
        // Somebody is in the middle of a change.
        std::fs::write(&file, format!("{text}idel = 5\nseats 7\n")).expect("it is ours");
        let shown = preau(&[command, "--config", &file]);
        assert_eq!(shown.status.code(), Some(0), "{}", words(&shown));
        assert!(words(&shown).contains("ent"), "{}", words(&shown));
        for admin in ["admin = \"0.0.0.0:9900\"", "admin = 127.0.0.1"] {
            std::fs::write(&file, admin).expect("it is ours");
            let wrong = preau(&[command, "--config", &file]);
            assert_eq!(wrong.status.code(), Some(2), "{}", words(&wrong));
            assert!(
                words(&wrong).contains("proxy.toml:1:9"),
                "{}",
                words(&wrong)
            );
        }
        let missing = preau(&[command, "--config", "/nowhere/proxy.toml"]);
        assert_eq!(missing.status.code(), Some(2), "{}", words(&missing));
        let both = preau(&[command, "--config", &file, "--admin", "127.0.0.1:1"]);
        assert_eq!(both.status.code(), Some(2), "{}", words(&both));
        let name = preau(&[command, "--admin", "localhost:9900"]);
        assert!(
            words(&name).contains("write \"127.0.0.1:9900\""),
            "{}",
            words(&name)
        );
    }
}

#[tokio::test]
async fn a_reload_says_what_check_says() {
    let running = Preau::start(&one_room(&format!("http://{}", free_port()), "seats = 1")).await;
    let file = running.config();
    let text = std::fs::read_to_string(&file).expect("it was written");
    running.ask_to_reload();
    let told = async |words: &str| {
        until(words, async || {
            running.printed().contains(words).then_some(())
        })
        .await;
    };
    told("says what it said at the start").await;
    assert!(
        !running.printed().contains("read again"),
        "there are no certificates"
    );
    assert!(
        !running.printed().contains("opened anew"),
        "and no file of a log"
    );

    std::fs::write(
        &file,
        text.replace("seats = 1", "seats = 0\nidel = \"5m\"\nclaim 5"),
    )
    .expect("it is ours");
    running.ask_to_reload();
    told("has errors").await;
    told("key with no value").await;
    let said = running.printed();
    for words in [
        "must be from 1 to 10000000; write a whole number from 1 to",
        "unknown key `idel` in [[room]]: not known here; did you mean `idle`?",
        "this is not TOML: key with no value",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let many: String = (0..30).map(|it| format!("x{it} = 1\n")).collect();
    std::fs::write(&file, format!("{many}{text}")).expect("it is ours");
    running.ask_to_reload();
    told("and 10 more: `preau check").await;
    assert!(
        !running.printed().contains("`x20`"),
        "{}",
        running.printed()
    );

    let tls = "[[listener]]\naddress = \"127.0.0.1:0\"\ntls = true\n[tls]\n\
               certificates = [{ cert = \"/nowhere/a.pem\", key = \"/nowhere/a.key\" }]\n";
    std::fs::write(&file, format!("{text}{tls}")).expect("it is ours");
    running.ask_to_reload();
    told("/nowhere/a.pem cannot be read").await;
}
