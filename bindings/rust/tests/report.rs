//! On evidence of a pretend platform: $CLOISTER_EVIDENCE/good and other.
use std::mem::size_of;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use cloister_sys::*;

fn read(name: &str) -> Vec<u8> {
    std::fs::read(PathBuf::from(std::env::var("CLOISTER_EVIDENCE").unwrap()).join(name)).unwrap()
}

fn root() -> Vec<u8> {
    let hex = String::from_utf8(read("good/root")).unwrap();
    (0..64).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

#[test]
fn genuine() {
    let (is_verified, text) = verify_snp(&read("good/report.bin"), &read("good/table.bin"), &root(), now()).unwrap();
    assert!(is_verified, "{}", text);
    assert!(text.contains("\"measurement\""));
}

#[test]
fn forged() {
    let (is_verified, text) = verify_snp(&read("other/report.bin"), &read("good/table.bin"), &root(), now()).unwrap();
    assert!(!is_verified);
    assert!(text.contains("snp.signature"));
}

#[test]
fn root_of_amd() {
    assert!(!verify_snp(&read("good/report.bin"), &read("good/table.bin"), &[], now()).unwrap().0);
}

#[test]
fn not_a_report() {
    let why = verify_snp(b"hello", &[], &[], now()).unwrap_err();
    assert_eq!(why.code, "snp.format");
    assert!(why.text.contains("SNP report"));
}

/// The C compiler's sizes, as the test's script has them from it.
#[test]
fn layout() {
    let said = std::env::var("CLOISTER_SIZES").unwrap();
    let ours = format!(
        "{} {} {} {}",
        size_of::<clo_bytes>(),
        size_of::<clo_buffer>(),
        size_of::<clo_error>(),
        size_of::<clo_error_code>()
    );
    assert_eq!(ours, said);
}
