//! Schedules and openings in a file.

use super::wrong::one_wrong;
use super::{PORTAL, read};
use crate::room::{Cause, Mode};
use crate::time::{Millis, Span};

/// 2026-09-02, a Wednesday, at 14:00 in Paris.
const WEDNESDAY: Millis = Millis(1_788_350_400_000);

#[test]
fn a_schedule_is_read_in_its_time_zone() {
    let text = format!(
        "{PORTAL}[[room]]\nschedule = [{{ when = \"wed 14:00-18:00\", mode = \"hold\", notice = \
         \"Maintenance\" }}, {{ when = [\"sat\", \"sun\"], mode = \"closed\" }}]\n"
    );
    let config = read(&text, &[]).unwrap();
    let room = &config.rooms[0];
    let says = |moment| room.plan.at(Mode::Queue, None, moment);
    assert_eq!(says(WEDNESDAY).why, Cause::Schedule(0));
    assert_eq!(says(WEDNESDAY - Span(1)).why, Cause::Ordinary);
    assert_eq!(says(WEDNESDAY).until, Some(WEDNESDAY + Span::mins(240)));
    let notice = room.notices[0].as_ref().unwrap();
    assert_eq!((&*notice.fr, &*notice.en), ("Maintenance", "Maintenance"));
    assert_eq!(room.notices[1], None);
    // In Cayenne it is 9 o'clock.
    let config = read(&text, &["time_zone=America/Cayenne"]).unwrap();
    assert_eq!(
        config.rooms[0].plan.at(Mode::Queue, None, WEDNESDAY).why,
        Cause::Ordinary
    );
}

#[test]
fn an_opening_is_read() {
    let text = format!("{PORTAL}[[room]]\n[room.opening]\nat = \"wed 14:10\"\nearly = \"15m\"\n");
    let config = read(&text, &[]).unwrap();
    let says = config.rooms[0].plan.at(Mode::Queue, None, WEDNESDAY);
    assert_eq!((says.why, says.mode), (Cause::Early, Mode::Hold));
    assert_eq!(says.opens, Some(WEDNESDAY + Span::mins(10)));
}

#[test]
fn a_schedule_that_overlaps_itself_names_both_lines() {
    let rule =
        |when: &str, mode: &str| format!("[[room.schedule]]\nwhen = {when}\nmode = \"{mode}\"\n");
    let file = |rules: &[String]| format!("[[room]]\n{}", rules.concat());
    let night = rule("\"daily 17:30-07:30\"", "closed");
    let wednesday = rule("[\"mon 08:00-09:00\", \"wed 14:00-18:00\"]", "hold");
    let words = [
        "the schedule overlaps itself",
        "`wed 14:00-18:00` is `hold` here, and `closed` by \"daily 17:30-07:30\" in line 5",
        "one mode holds",
    ];
    one_wrong(&file(&[night.clone(), wednesday.clone()]), "8:8", &words);
    // The same mode twice is no contradiction.
    let same = [night.clone(), rule("\"wed 14:00-18:00\"", "closed")];
    assert!(read(&format!("{PORTAL}{}", file(&same)), &[]).is_ok());
    let holidays = rule("\"2026-12-19..2027-01-03\"", "open");
    one_wrong(&file(&[night, holidays]), "8:8", &["in line 5"]);
}

#[test]
fn what_is_wrong_with_a_plan_is_said() {
    let wrong = read(PORTAL, &["time_zone=Europe/Pari"]).unwrap_err();
    let shown = wrong.to_string();
    assert!(shown.contains("not a time zone") && shown.contains("America/Cayenne"));
    for (lines, at, words) in [
        (
            "[[room]]\n[[room.schedule]]\nwhen = \"wen 14:00-18:00\"\nmode = \"hold\"",
            "5:8",
            ["\"wen\" is not a day", "mon-fri 08:00-17:30"],
        ),
        (
            "[[room]]\n[[room.schedule]]\nwhen = \"wed 14:00-18:00\"",
            "4:1",
            [
                "missing key `mode` in [[room.schedule]]",
                "write `mode = \"hold\"`",
            ],
        ),
        (
            "[[room]]\n[[room.schedule]]\nwhen = \"wed\"\nmode = \"hold\"\nnotice = { en = \"x\" }",
            "7:10",
            ["missing key `fr`", "Maintenance"],
        ),
        (
            "[[room]]\n[room.opening]\nat = \"08:00\"",
            "5:6",
            ["needs a day and a time", "mon 08:00"],
        ),
        (
            "[[room]]\n[room.opening]\nat = \"mon 08:00\"\nearly = \"1s\"",
            "6:9",
            ["must be from 1m to 24h", "from \"1m\""],
        ),
        (
            "[[room]]\n[room.opening]\nearly = \"1h\"",
            "4:1",
            ["missing key `at`", "2026-09-01"],
        ),
    ] {
        one_wrong(lines, at, &words);
    }
}
