//! Where pkg-config says that libcloister is.
use std::process::Command;

fn main() {
    let tool = std::env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".to_string());
    let said = Command::new(&tool).args(["--libs", "cloister"]).output().expect("pkg-config cannot be started");
    assert!(said.status.success(), "pkg-config knows no cloister: {}", String::from_utf8_lossy(&said.stderr));
    for word in String::from_utf8_lossy(&said.stdout).split_whitespace() {
        if let Some(folder) = word.strip_prefix("-L") {
            println!("cargo:rustc-link-search=native={}", folder);
        } else if let Some(name) = word.strip_prefix("-l") {
            println!("cargo:rustc-link-lib={}", name);
        }
    }
    println!("cargo:rerun-if-env-changed=PKG_CONFIG_PATH");
}
