"""Verifies evidence of confidential VMs, by libcloister: reports, event logs, and whole bundles by a policy.

Bytes go in, plain dicts and strings come out. What cannot be read raises Error; what is not authentic, or not acceptable, is an answer. Nothing is
fetched and no file is opened."""
import json
import time

from cloister._c import ffi, lib

__all__ = ["Error", "Eventlog", "appraise", "verify_snp", "version"]


class Error(ValueError):
    """Why libcloister could not do it. `code` stays the same when the words change ("tcg.format"): docs/errors.md."""

    def __init__(self, raw):
        self.code = ffi.string(lib.clo_error_code(raw).text).decode()
        super().__init__(ffi.string(raw.text).decode())


def version():
    """Of the library that is loaded."""
    return ffi.string(lib.clo_version()).decode()


def _view(data):
    """A struct clo_bytes over `data`, which must outlive it."""
    return ffi.new("struct clo_bytes *", (ffi.from_buffer("uint8_t[]", data), len(data)))


def _text(fill):
    """What `fill(buffer)` appends to a buffer, as str."""
    buffer = ffi.new("struct clo_buffer *")
    try:
        fill(buffer)
        return ffi.buffer(buffer.data, buffer.size)[:].decode() if buffer.size else ""
    finally:
        lib.clo_buffer_free(buffer)


def _parse(parse, free, data):
    """An object that frees itself, of bytes that it may point into."""
    out, error, view = ffi.new(f"{ffi.typeof(parse).args[1].item.cname} *"), ffi.new("struct clo_error *"), _view(data)
    if not parse(view[0], out, error):
        raise Error(error)
    return ffi.gc(out[0], free)


def verify_snp(report, certificates=b"", root=b"", at=None):
    """Is an SEV-SNP report authentic? {"verified", "checks", "claims"}.

    `root` is the SHA-256 of the one root key that is trusted (AMD's are, without it); `at` the Unix time to verify at (now). What the guest is,
    its measurement or whether it may be debugged, remains to be appraised."""
    error = ffi.new("struct clo_error *")
    views = [_view(data) for data in (report, certificates, root)]
    seconds = int(time.time() if at is None else at)

    def fill(buffer):
        if not lib.clo_snp_verify_json(*(view[0] for view in views), seconds, buffer, error) and buffer.size == 0:
            raise Error(error)

    return json.loads(_text(fill))


class Eventlog:
    """A TCG event log, as firmware wrote it. It proves nothing before its replay equals the PCRs of a verified quote."""

    def __init__(self, data):
        self._data = bytes(data)
        self._log = _parse(lib.clo_eventlog_parse, lib.clo_eventlog_free, self._data)

    def __len__(self):
        return lib.clo_eventlog_count(self._log)

    def __getitem__(self, index):
        event = ffi.NULL if index < 0 else lib.clo_eventlog_at(self._log, index)
        if event == ffi.NULL:
            raise IndexError(index)
        return {
            "pcr": event.pcr,
            "type": self._type(event.type),
            "digests": dict(self._digests(event)),
            "text": _text(lambda buffer: lib.clo_event_describe(event, buffer)),
            "data": ffi.buffer(event.data.data, event.data.size)[:] if event.data.size else b"",
        }

    @property
    def is_ccel(self):
        """Of a TDX guest: its registers are not PCRs."""
        return bool(lib.clo_eventlog_is_ccel(self._log))

    def replay(self, bank="sha256"):
        """{PCR: hex} of the registers that the log extends."""
        out, error = ffi.new("struct clo_pcr_bank *"), ffi.new("struct clo_error *")
        if not lib.clo_eventlog_replay(self._log, lib.clo_hash_from_name(bank.encode()), out, error):
            raise Error(error)
        size = lib.clo_hash_size(lib.clo_hash_from_name(bank.encode()))
        return {n: bytes(out.values[n].bytes)[:size].hex() for n in range(24) if out.touched >> n & 1}

    @staticmethod
    def _type(number):
        name = lib.clo_event_type_name(number)
        return f"0x{number:08x}" if name == ffi.NULL else ffi.string(name).decode()

    @staticmethod
    def _digests(event):
        digest, index = ffi.new("struct clo_event_digest *"), 0
        while lib.clo_event_digest_at(event, index, digest):
            name = lib.clo_event_algorithm_name(digest.algorithm)
            key = f"0x{digest.algorithm:04x}" if name == ffi.NULL else ffi.string(name).decode()
            yield key, ffi.buffer(digest.bytes.data, digest.bytes.size)[:].hex()
            index += 1


def appraise(evidence, policy=None, references=(), nonce=None, at=None):
    """A bundle of evidence by a policy and reference values, each as JSON text in bytes: what `cloister verify --json` prints, and "releases".

    "status" is affirming, warning or contraindicated. Without the nonce that the guest was given it is a warning at best: the evidence may be an old
    one. Only where "releases" is true may a secret be given on it."""
    parsed = _parse(lib.clo_evidence_parse, lib.clo_evidence_free, evidence)
    kept = [_parse(lib.clo_reference_parse, lib.clo_reference_free, reference) for reference in references]
    pointers, inputs = ffi.new("struct clo_reference *[]", kept), ffi.new("struct clo_appraise_inputs *")
    inputs.references, inputs.reference_count = pointers, len(kept)
    inputs.at = int(time.time() if at is None else at)
    rules = None if policy is None else _parse(lib.clo_policy_parse, lib.clo_policy_free, policy)
    if rules is not None:
        inputs.policy = rules
    given = None if nonce is None else _view(nonce)
    if given is not None:
        inputs.expected_nonce = given[0]
    out, error = ffi.new("struct clo_appraisal **"), ffi.new("struct clo_error *")
    if not lib.clo_appraise(parsed, inputs, out, error):
        raise Error(error)
    appraisal = ffi.gc(out[0], lib.clo_appraisal_free)

    def fill(buffer):
        if not lib.appraisal_text(appraisal, buffer, error):
            raise Error(error)

    answer = json.loads(_text(fill))
    answer["releases"] = bool(lib.clo_appraisal_releases(appraisal, error))
    return answer
