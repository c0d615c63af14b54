"""verify_snp.py REPORT CERTIFICATES [ROOT]: an SEV-SNP report, verified. Exit status: 0 genuine, 1 not."""
import pathlib
import sys
import time

from cloister import verify_snp

report, certificates = (pathlib.Path(name).read_bytes() for name in sys.argv[1:3])
answer = verify_snp(report, certificates, bytes.fromhex("".join(sys.argv[3:])), time.time())
print(answer["claims"]["measurement"] if answer["verified"] else [check for check in answer["checks"] if check["result"] == "fail"])
sys.exit(0 if answer["verified"] else 1)
