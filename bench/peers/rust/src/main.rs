// What the crate dcap-qvl takes for a quote with all its collateral: for each line on standard input, RUNS times over,
// and then a line that says so. The caller takes the time (bench/peers.c).
use dcap_qvl::{verify::QuoteVerifier, QuoteCollateralV3};
use std::io::{BufRead, Write};

const RUNS: u32 = 20;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let quote = std::fs::read(&arguments[1]).expect("quote");
    let json = std::fs::read(&arguments[2]).expect("collateral");
    let now: u64 = arguments[3].parse().expect("time");
    let collateral: QuoteCollateralV3 = serde_json::from_slice(&json).expect("collateral");
    let verifier = QuoteVerifier::new_prod();
    for line in std::io::stdin().lock().lines() {
        line.expect("standard input");
        for _ in 0..RUNS {
            verifier.verify(&quote, &collateral, now).expect("verified");
        }
        println!("{RUNS}");
        std::io::stdout().flush().expect("standard output");
    }
}
