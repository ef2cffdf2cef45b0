//! A visitor with a real browser: Chromium, driven through WebDriver.

use super::{Process, free_port, get, until};
use fantoccini::elements::Element;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const DRIVER: &str = "/usr/bin/chromedriver";
const CHROMIUM: &str = "/usr/bin/chromium";

/// No sandbox, because tests may run as root; nothing that speaks to the world outside.
const OPTIONS: [&str; 13] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--lang=fr",
    // Certificates of tests, for hosts of tests.
    "--ignore-certificate-errors",
    "--host-resolver-rules=MAP *.example.fr 127.0.0.1, MAP *.example.org 127.0.0.1",
    "--window-size=390,844",
];

/// Whether pages may run scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JavaScript {
    On,
    Off,
}

/// A running browser. It ends, with its driver, when it is dropped.
pub struct Browser {
    client: Client,
    /// Ends before the folder of the profile goes.
    _driver: Process,
    folder: TempDir,
}

impl Browser {
    /// Starts a browser with an empty profile.
    pub async fn start(script: JavaScript) -> Browser {
        for (file, package) in [(DRIVER, "chromium-driver"), (CHROMIUM, "chromium")] {
            assert!(
                Path::new(file).exists(),
                "{file} is missing: install the Debian package {package} (tests/run does)"
            );
        }
        let folder = tempfile::Builder::new()
            .prefix("preau-browser-")
            .tempdir()
            .expect("the temporary folder can be written");
        let address = free_port();
        let mut command = Command::new(DRIVER);
        command.arg(format!("--port={}", address.port()));
        // Everything that Chromium keeps for itself goes with the folder.
        command
            .env("HOME", folder.path())
            .env("TMPDIR", folder.path());
        let log = folder.path().join("driver.log");
        let driver = Process::start("chromedriver", &mut command, &log);
        until("the browser's driver answers", async || {
            get(address, "/status").await.ok()
        })
        .await;
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities(script, folder.path()))
            .connect(&format!("http://{address}"))
            .await
            .unwrap_or_else(|error| panic!("chromium starts: {error}"));
        Browser {
            client,
            _driver: driver,
            folder,
        }
    }

    /// Opens an address, as somebody who types it.
    pub async fn open(&self, url: &str) {
        let opened = self.client.goto(url).await;
        opened.unwrap_or_else(|error| panic!("{url} opens: {error}"));
    }

    /// Throws its cookies away, as when somebody else sits down at it.
    pub async fn forget_cookies(&self) {
        let forgotten = self.client.delete_all_cookies().await;
        forgotten.expect("cookies can be thrown away");
    }

    /// The address that is shown.
    pub async fn address(&self) -> String {
        let url = self.client.current_url().await;
        url.expect("an open page has an address").to_string()
    }

    /// The title of the page, unless it is just being replaced by another.
    pub async fn title(&self) -> Option<String> {
        self.client.title().await.ok()
    }

    /// The visible text of the first element that `css` selects; `None` while there is none.
    pub async fn text(&self, css: &str) -> Option<String> {
        // An element may go with its page between two questions: that is "none" as well.
        self.find(css).await?.text().await.ok()
    }

    /// Clicks the first element that `css` selects, as soon as it is there to be clicked.
    pub async fn click(&self, css: &str) {
        until(&format!("{css} can be clicked"), async || {
            self.find(css).await?.click().await.ok()
        })
        .await;
    }

    /// Types into the first field that `css` selects.
    pub async fn type_into(&self, css: &str, text: &str) {
        until(&format!("{css} can be typed into"), async || {
            self.find(css).await?.send_keys(text).await.ok()
        })
        .await;
    }

    /// Looks into the first frame of the page, as soon as there is one; until the next address is opened.
    pub async fn enter_frame(&self) {
        until("there is a frame", async || {
            self.client.enter_frame(0).await.ok()
        })
        .await;
    }

    /// Looks at the window that a link has opened, as soon as there is one.
    pub async fn enter_new_window(&self) {
        let before = self.client.window().await.expect("an open window");
        let other = until("there is another window", async || {
            let windows = self.client.windows().await.ok()?;
            windows.into_iter().find(|window| *window != before)
        })
        .await;
        let entered = self.client.switch_to_window(other).await;
        entered.expect("an open window can be looked at");
    }

    /// Runs a script in the page, and gives what it returns.
    pub async fn run(&self, script: &str) -> Value {
        let returned = self.client.execute(script, Vec::new()).await;
        returned.unwrap_or_else(|error| panic!("{script} runs: {error}"))
    }

    /// Saves a picture of the page as `name.png`, in the folder named by the environment
    /// variable `PREAU_SCREENSHOTS`, or in one that goes with the browser.
    pub async fn screenshot(&self, name: &str) -> PathBuf {
        let wanted = std::env::var_os("PREAU_SCREENSHOTS").map(PathBuf::from);
        let folder = wanted.unwrap_or_else(|| self.folder.path().to_owned());
        fs::create_dir_all(&folder).expect("the folder for pictures can be made");
        let picture = self
            .client
            .screenshot()
            .await
            .expect("a page has a picture");
        let path = folder.join(format!("{name}.png"));
        fs::write(&path, picture).expect("the folder for pictures can be written");
        path
    }

    async fn find(&self, css: &str) -> Option<Element> {
        self.client.find(Locator::Css(css)).await.ok()
    }
}

fn capabilities(script: JavaScript, folder: &Path) -> Map<String, Value> {
    let profile = format!("--user-data-dir={}", folder.join("profile").display());
    let mut options: Vec<&str> = OPTIONS.to_vec();
    options.push(&profile);
    let allowed = match script {
        JavaScript::On => 1,
        JavaScript::Off => 2,
    };
    let wanted = json!({
        "goog:chromeOptions": {
            "binary": CHROMIUM,
            "args": options,
            "prefs": {
                "intl.accept_languages": "fr,fr-FR",
                "profile.managed_default_content_settings.javascript": allowed,
            },
        },
    });
    match wanted {
        Value::Object(map) => map,
        _ => unreachable!("it is written as an object just above"),
    }
}
