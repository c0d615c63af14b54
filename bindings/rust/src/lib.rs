//! libcloister as C has it, as far as it takes to verify an SEV-SNP report: bytes in, JSON out.
//!
//! Declared by hand after `cloister/base.h` and `cloister/snp.h`. A test holds sizes and offsets to the C compiler's.
#![allow(non_camel_case_types)]
use std::os::raw::{c_char, c_int};

/// A view: it borrows `data`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct clo_bytes {
    pub data: *const u8,
    pub size: usize,
}

/// Owned bytes; a zeroed one is empty. Give it back with `clo_buffer_free`.
#[repr(C)]
pub struct clo_buffer {
    pub data: *mut u8,
    pub size: usize,
    pub capacity: usize,
    pub limit: usize,
    pub failed: bool,
}

#[repr(C)]
pub struct clo_error {
    pub status: c_int,
    pub text: [c_char; 512],
    pub file: *const c_char,
}

#[repr(C)]
pub struct clo_error_code {
    pub text: [c_char; 40],
}

extern "C" {
    pub fn clo_version() -> *const c_char;
    pub fn clo_error_code(err: *const clo_error) -> clo_error_code;
    pub fn clo_buffer_free(buffer: *mut clo_buffer);
    pub fn clo_snp_verify_json(
        report: clo_bytes,
        certificates: clo_bytes,
        root: clo_bytes,
        at: i64,
        json: *mut clo_buffer,
        err: *mut clo_error,
    ) -> bool;
}

/// Why a report could not be read. `code` stays when the words change.
#[derive(Debug, PartialEq)]
pub struct Unreadable {
    pub text: String,
    pub code: String,
}

fn text_of(text: &[c_char]) -> String {
    let bytes: Vec<u8> = text.iter().take_while(|&&c| c != 0).map(|&c| c as u8).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether a report is authentic, and why, as JSON: `{"verified", "checks", "claims"}`. `root` is the SHA-256 of the one root key that is
/// trusted; empty: AMD's are. What the guest is remains to be appraised.
pub fn verify_snp(report: &[u8], certificates: &[u8], root: &[u8], at: i64) -> Result<(bool, String), Unreadable> {
    let view = |bytes: &[u8]| clo_bytes { data: bytes.as_ptr(), size: bytes.len() };
    let mut json = clo_buffer { data: std::ptr::null_mut(), size: 0, capacity: 0, limit: 0, failed: false };
    let mut err = clo_error { status: 0, text: [0; 512], file: std::ptr::null() };
    // The views outlive the call, and the buffer is freed once, after its bytes were copied.
    let (is_verified, text) = unsafe {
        let ok = clo_snp_verify_json(view(report), view(certificates), view(root), at, &mut json, &mut err);
        let bytes = if json.size == 0 { Vec::new() } else { std::slice::from_raw_parts(json.data, json.size).to_vec() };
        clo_buffer_free(&mut json);
        (ok, String::from_utf8_lossy(&bytes).into_owned())
    };
    if !is_verified && text.is_empty() {
        let code = unsafe { clo_error_code(&err) };
        return Err(Unreadable { text: text_of(&err.text), code: text_of(&code.text) });
    }
    Ok((is_verified, text))
}
