// What go-sev-guest, go-tdx-guest and go-eventlog take for the jobs that bench/ gives them: for each line on standard input,
// the job some times over, and then a line that says so. The caller takes the time.
package main

import (
	"bufio"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-eventlog/register"
	"github.com/google/go-eventlog/tcg"
	sabi "github.com/google/go-sev-guest/abi"
	spb "github.com/google/go-sev-guest/proto/sevsnp"
	sverify "github.com/google/go-sev-guest/verify"
	ttest "github.com/google/go-tdx-guest/testing"
	tdata "github.com/google/go-tdx-guest/testing/testdata"
	tverify "github.com/google/go-tdx-guest/verify"
)

// How often a job is done for one line, unless it is a long one.
const (
	runs     = 20
	longRuns = 3
)

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
	return value
}

// sevJobs: the report's signature alone, and report and chain from their bytes.
func sevJobs(folder string) map[string]func() error {
	read := func(name string) []byte { return must(os.ReadFile(filepath.Join(folder, name))) }
	report := read("attestation.bin")[:sabi.ReportSize]
	vcek := read("vcek.testcer")
	if block, _ := pem.Decode(vcek); block != nil {
		vcek = block.Bytes
	}
	ask, rest := pem.Decode(read("milan.testcer"))
	ark, _ := pem.Decode(rest)
	leaf := must(x509.ParseCertificate(vcek))
	product := &spb.SevProduct{Name: spb.SevProduct_SEV_PRODUCT_MILAN}
	return map[string]func() error{
		"known": func() error { return sverify.SnpReportSignature(report, leaf) },
		"whole": func() error {
			parsed, err := sabi.ReportToProto(report)
			if err != nil {
				return err
			}
			return sverify.SnpAttestation(&spb.Attestation{
				Report:  parsed,
				Product: product,
				CertificateChain: &spb.CertificateChain{
					VcekCert: vcek, AskCert: ask.Bytes, ArkCert: ark.Bytes,
				},
			}, &sverify.Options{DisableCertFetching: true, Product: product, Now: time.Now()})
		},
	}
}

// tdxJobs: go-tdx-guest's own quote with its chain alone, and with the collateral of its tests. That is no longer the
// platform's, so that the last step, looking for the TCB's level, ends in an error: all signatures are verified by then.
func tdxJobs() map[string]func() error {
	now := time.Date(2023, time.July, 1, 1, 0, 0, 0, time.UTC)
	roots := x509.NewCertPool()
	roots.AddCert(must(x509.ParseCertificate(lastOf(ttest.QeIdentityHeader["Sgx-Enclave-Identity-Issuer-Chain"]))))
	return map[string]func() error{
		"chain": func() error {
			return tverify.RawTdxQuote(tdata.RawQuote, &tverify.Options{Now: now, TrustedRoots: roots})
		},
		"whole": func() error {
			err := tverify.RawTdxQuote(tdata.RawQuote, &tverify.Options{
				CheckRevocations: true, GetCollateral: true, Getter: ttest.TestGetter, Now: now, TrustedRoots: roots,
			})
			if err != nil && strings.Contains(err.Error(), "TCB") {
				return nil
			}
			return err
		},
	}
}

// chainOf is the PEM chain in a header; lastOf the DER of its last certificate.
func chainOf(header []string) string { return must(url.QueryUnescape(header[0])) }

func lastOf(header []string) []byte {
	var der []byte
	for block, rest := pem.Decode([]byte(chainOf(header))); block != nil; block, rest = pem.Decode(rest) {
		der = block.Bytes
	}
	return der
}

// dump writes the same quote and collateral as files, the collateral as one JSON object.
func dump(folder string) {
	write := func(name string, data []byte) {
		must(0, os.WriteFile(filepath.Join(folder, name), data, 0o644))
	}
	split := func(body []byte, member string) (string, string) {
		var parts map[string]json.RawMessage
		must(0, json.Unmarshal(body, &parts))
		return string(parts[member]), strings.Trim(string(parts["signature"]), `"`)
	}
	tcbInfo, tcbSignature := split(tdata.TcbInfoBody, "tcbInfo")
	identity, identitySignature := split(tdata.QeIdentityBody, "enclaveIdentity")
	write("quote", tdata.RawQuote)
	write("collateral.json", must(json.Marshal(map[string]string{
		"tcb_info": tcbInfo, "tcb_info_signature": tcbSignature,
		"tcb_info_issuer_chain": chainOf(ttest.TcbInfoHeader["Tcb-Info-Issuer-Chain"]),
		"qe_identity":           identity, "qe_identity_signature": identitySignature,
		"qe_identity_issuer_chain": chainOf(ttest.QeIdentityHeader["Sgx-Enclave-Identity-Issuer-Chain"]),
		"pck_crl":                  hex.EncodeToString(tdata.PckCrlBody),
		"pck_crl_issuer_chain":     chainOf(ttest.PckCrlHeader["Sgx-Pck-Crl-Issuer-Chain"]),
		"root_ca_crl":              hex.EncodeToString(tdata.RootCrlBody),
	})))
}

// eventlogJobs: a log parsed, and replayed against the values that its digests lead to.
func eventlogJobs(path string) map[string]func() error {
	log := must(os.ReadFile(path))
	parsed := must(tcg.ParseEventLog(log, tcg.ParseOpts{}))
	var values [24][]byte
	for _, event := range parsed.Events(register.HashSHA256) {
		if event.Type == 3 { // EV_NO_ACTION
			continue
		}
		if values[event.Index] == nil {
			values[event.Index] = make([]byte, 32)
		}
		sum := sha256.Sum256(append(values[event.Index], event.Digest...))
		values[event.Index] = sum[:]
	}
	var expected []register.MR
	for i, value := range values {
		if value != nil {
			expected = append(expected, register.PCR{Index: i, Digest: value, DigestAlg: crypto.SHA256})
		}
	}
	return map[string]func() error{
		"parse": func() error {
			_, err := tcg.ParseEventLog(log, tcg.ParseOpts{})
			return err
		},
		"parse and replay SHA-256": func() error {
			_, err := tcg.ParseAndReplay(log, expected, tcg.ParseOpts{})
			return err
		},
	}
}

func main() {
	count := runs
	var jobs map[string]func() error
	switch {
	case len(os.Args) == 3 && os.Args[1] == "snp":
		jobs = sevJobs(os.Args[2])
	case len(os.Args) == 2 && os.Args[1] == "tdx":
		jobs = tdxJobs()
	case len(os.Args) == 3 && os.Args[1] == "eventlog":
		jobs = eventlogJobs(os.Args[2])
		count = longRuns
	case len(os.Args) == 3 && os.Args[1] == "dump":
		dump(os.Args[2])
		return
	default:
		fmt.Fprintln(os.Stderr, "usage: peer snp FOLDER | tdx | eventlog LOG | dump FOLDER")
		os.Exit(2)
	}
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		job := jobs[input.Text()]
		for i := 0; i < count; i++ {
			if err := job(); err != nil {
				must(0, err)
			}
		}
		fmt.Println(count)
	}
}
