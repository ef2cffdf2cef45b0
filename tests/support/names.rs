//! What a machine knows of names, for one process alone: files of its own in place of `/etc/hosts`
//! and its like, in a mount namespace.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// Puts its own files in place, and becomes the program.
const SCRIPT: &str = r#"set -e
for file in hosts nsswitch.conf resolv.conf; do mount --bind "$0/$file" "/etc/$file"; done
exec "$@""#;

/// Names, as `/etc/hosts` has them; nothing else resolves.
pub struct Names(TempDir);

impl Names {
    /// These lines.
    pub fn new(hosts: &str) -> Names {
        let names = Names(TempDir::new().expect("the temporary folder can be written"));
        names.write("nsswitch.conf", "hosts: files dns\n");
        names.ask(Ipv4Addr::LOCALHOST, 1);
        names.lead(hosts);
        names
    }

    /// From now on these lines; who runs already sees it, too.
    pub fn lead(&self, hosts: &str) {
        self.write("hosts", hosts);
    }

    /// From now on the rest is asked of the server at `ip`, and waited for so many seconds.
    pub fn ask(&self, ip: Ipv4Addr, seconds: u8) {
        let text = format!("nameserver {ip}\noptions timeout:{seconds} attempts:1\n");
        self.write("resolv.conf", &text);
    }

    /// `program`, for which these names hold. Needs root, or a kernel that lets everybody have
    /// namespaces.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("unshare");
        if !nix::unistd::geteuid().is_root() {
            command.arg("--map-root-user");
        }
        command.args(["--mount", "sh", "-c", SCRIPT]);
        command.arg(self.0.path()).arg(program.as_ref());
        command
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.0.path().join(file);
        fs::write(path, text).expect("the folder of the test can be written");
    }
}
