//! Programs that say who they are: those who look whether the portal answers, who read it for others, and who
//! show what a link leads to. None of them wants to come in.

use Known::{First, Monitor, Reader};
use http::HeaderValue;

/// What is known of a word in a user agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// It is a monitor's, also where it begins a word made of several (`PingdomTMS`). Listed in `README.md`.
    Monitor,
    /// It is a crawler's, or of a preview of links.
    Reader,
    /// The same, where it is the first word: the browsers inside these messengers have it further behind.
    First,
}

/// The words, in lower case and in order. None of them may stand in the user agent of a browser, also not
/// of one inside a messenger.
#[rustfmt::skip]
const WORDS: [(&str, Known); 67] = [
    ("ahrefsbot", Reader),
    ("amazon-route53-health-check-service", Monitor),
    ("amazonbot", Reader),
    ("applebot", Reader),
    ("azure", Monitor),
    ("baiduspider", Reader),
    ("bingbot", Reader),
    ("bingpreview", Reader),
    ("bitlybot", Reader),
    ("blackbox", Monitor),
    ("blackbox-exporter", Monitor),
    ("bot", Reader),
    ("bytespider", Reader),
    ("cardyb", Reader),
    ("ccbot", Reader),
    ("check_curl", Monitor),
    ("check_http", Monitor),
    ("claudebot", Reader),
    ("consul", Monitor),
    ("datadog", Monitor),
    ("discordbot", Reader),
    ("duckduckbot", Reader),
    ("elb-healthchecker", Monitor),
    ("embedly", Reader),
    ("facebookcatalog", Reader),
    ("facebookexternalhit", Reader),
    ("facebot", Reader),
    ("google-pagerenderer", Reader),
    ("googlebot", Reader),
    ("googlehc", Monitor),
    ("googleimageproxy", Reader),
    ("gptbot", Reader),
    ("hetrixtools", Monitor),
    ("iframely", Reader),
    ("kakaotalk-scrap", Reader),
    ("kube-probe", Monitor),
    ("line-poker", Reader),
    ("linkedinbot", Reader),
    ("mastodon", First),
    ("meta-externalagent", Reader),
    ("meta-externalfetcher", Reader),
    ("microsoftpreview", Reader),
    ("mj12bot", Reader),
    ("petalbot", Reader),
    ("pingdom", Monitor),
    ("pinterestbot", Reader),
    ("prometheus", Monitor),
    ("qwantbot", Reader),
    ("qwantify", Reader),
    ("redditbot", Reader),
    ("semrushbot", Reader),
    ("signal", First),
    ("site24x7", Monitor),
    ("skypeuripreview", Reader),
    ("slack-imgproxy", Reader),
    ("slackbot", Reader),
    ("slackbot-linkexpanding", Reader),
    ("statuscake", Monitor),
    ("synapse", First),
    ("telegrambot", Reader),
    ("twitterbot", Reader),
    ("uptime-kuma", Monitor),
    ("uptimerobot", Monitor),
    ("whatsapp", First),
    ("yandexbot", Reader),
    ("zabbix", Monitor),
    ("zulipurlpreview", Reader),
];

/// Whether this is the user agent of a program that never comes in.
pub(super) fn is_known(agent: &HeaderValue) -> bool {
    let in_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let words = agent.as_bytes().split(|byte| !in_name(byte));
    let words = words.filter(|word| !word.is_empty());
    words.enumerate().any(|(at, word)| match known(word) {
        Some(First) => at == 0,
        Some(Monitor | Reader) => true,
        None => false,
    })
}

/// What is known of `word`, in any case.
fn known(word: &[u8]) -> Option<Known> {
    let lower = |byte: &u8| byte.to_ascii_lowercase();
    let end = WORDS.partition_point(|(known, _)| known.bytes().le(word.iter().map(lower)));
    // What it is or begins with is not behind it, and has its first letter.
    let near = WORDS[..end].iter().rev();
    let mut near =
        near.take_while(|(known, _)| known.as_bytes()[..1].eq_ignore_ascii_case(&word[..1]));
    let meant = |(name, known): &&(&str, Known)| {
        let (begin, rest) = word.split_at(name.len().min(word.len()));
        begin.eq_ignore_ascii_case(name.as_bytes())
            && (rest.is_empty() || (*known == Monitor && begins_anew(rest)))
    };
    near.find(meant).map(|(_, known)| *known)
}

/// Whether `rest` is another part of a word than what stands before it: who reads a `Consultation` has
/// nothing to do with Consul.
fn begins_anew(rest: &[u8]) -> bool {
    rest.first().is_some_and(|byte| !byte.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(agent: &str) -> bool {
        is_known(&agent.parse().unwrap())
    }

    #[test]
    fn the_words_are_in_order_and_in_lower_case() {
        assert!(WORDS.is_sorted_by_key(|(word, _)| *word));
        assert!(WORDS.iter().all(|(word, _)| *word == word.to_lowercase()));
    }

    #[test]
    fn the_readme_names_the_monitors() {
        let readme = include_str!("../../README.md");
        for (name, _) in WORDS.iter().filter(|(_, known)| *known == Monitor) {
            assert!(readme.contains(&format!("`{name}`")), "{name}");
        }
    }

    #[test]
    fn monitors_are_known_as_they_call_themselves() {
        for monitor in [
            "Amazon-Route53-Health-Check-Service (ref 1; report http://amzn.to/1vsZADi)",
            "Azure Traffic Manager Endpoint Monitor",
            "Better Uptime Bot Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Chrome/126.0",
            "Blackbox Exporter/0.25.0",
            "Blackbox-Exporter",
            "Consul Health Check",
            "Datadog/Synthetics",
            "ELB-HealthChecker/2.0",
            "GoogleHC/1.0",
            "HetrixTools Uptime Monitoring Bot. https://hetrix.tools/uptime-monitoring-bot.html",
            "Mozilla/5.0 (compatible; Pingdom.com_bot_version_1.4_(http://www.pingdom.com/))",
            "PingdomTMS/0.8.5 (http://www.pingdom.com/)",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/61.0 PingdomPageSpeed/1.0",
            "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
            "Prometheus/2.53.0",
            "Site24x7",
            "Site24x7Probe/1",
            "StatusCake_Pagespeed_Indev",
            "Mozilla/5.0 (Windows NT 6.2; WOW64) AppleWebKit/537.36 Chrome/98.0 StatusCake",
            "Uptime-Kuma/1.23.13",
            "Zabbix",
            "ZABBIX-server",
            "ZabbixWeb/7",
            "blackbox-probe",
            "check_curl/v2.4.5 (monitoring-plugins 2.4.5, libcurl/7.88.1)",
            "check_http/v2.3.3 (nagios-plugins 2.3.3)",
            "kube-probe/1.29",
        ] {
            assert!(is(monitor), "{monitor}");
        }
    }

    #[test]
    fn browsers_and_what_wants_something_are_not() {
        for agent in [
            "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
            "Mozilla/5.0 (Linux; Android 9; CUBOT X18 Plus) Chrome/70.0.3538.110 Mobile Safari/537.36",
            "Mozilla/5.0 (iPhone) Mobile/15E148 Instagram 330.0.0.0 [Pinterest/iOS] WhatsApp/2.24",
            "curl/8.5.0",
            "rclone/v1.66.0",
            "ConsultationEDT/2.1",
            "MyZabbix/1",
            "Robotique/1.0 Mastodonte/2 BotAnique",
            "",
        ] {
            assert!(!is(agent), "{agent}");
        }
        assert!(is("WhatsApp/2.23.20.0 A"));
    }
}
