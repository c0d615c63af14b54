// go_evidence writes evidence as Google's libraries do: go_evidence snp REPORT VCEK OUT, go_evidence tdx QUOTE OUT; OUT.json and
// OUT.pb hold the message in protobuf's two encodings.
package main

import (
	"fmt"
	"os"

	sevabi "github.com/google/go-sev-guest/abi"
	sevpb "github.com/google/go-sev-guest/proto/sevsnp"
	tdxabi "github.com/google/go-tdx-guest/abi"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func read(path string) []byte {
	bytes, err := os.ReadFile(path)
	check(err)
	return bytes
}

func write(message proto.Message, path string) {
	json, err := protojson.Marshal(message)
	check(err)
	check(os.WriteFile(path+".json", json, 0o644))
	binary, err := proto.Marshal(message)
	check(err)
	check(os.WriteFile(path+".pb", binary, 0o644))
}

func main() {
	switch {
	case len(os.Args) == 5 && os.Args[1] == "snp":
		report, err := sevabi.ReportToProto(read(os.Args[2]))
		check(err)
		write(&sevpb.Attestation{Report: report, CertificateChain: &sevpb.CertificateChain{VcekCert: read(os.Args[3])}}, os.Args[4])
	case len(os.Args) == 4 && os.Args[1] == "tdx":
		quote, err := tdxabi.QuoteToProto(read(os.Args[2]))
		check(err)
		write(quote.(proto.Message), os.Args[3])
	default:
		fmt.Fprintln(os.Stderr, "go_evidence snp REPORT VCEK OUT | tdx QUOTE OUT")
		os.Exit(2)
	}
}
