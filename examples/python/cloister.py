"""A binding by ctypes: what one function needs, and the pattern for others."""
import ctypes as c
import json

_library = c.CDLL("libcloister.so.0")


class Error(c.Structure):
    _fields_ = [("status", c.c_int), ("text", c.c_char * 512), ("file", c.c_char_p)]


class Bytes(c.Structure):
    _fields_ = [("data", c.c_char_p), ("size", c.c_size_t)]


class Buffer(c.Structure):
    _fields_ = [("data", c.POINTER(c.c_uint8)), ("size", c.c_size_t), ("capacity", c.c_size_t), ("limit", c.c_size_t), ("failed", c.c_bool)]


_library.clo_snp_verify_json.restype = c.c_bool
_library.clo_snp_verify_json.argtypes = [Bytes, Bytes, Bytes, c.c_int64, c.POINTER(Buffer), c.POINTER(Error)]


def verify_snp(report, certificates=b"", root=b"", at=0):
    """{"verified", "checks", "claims"} as a dict; ValueError for what cannot be read."""
    out, error = Buffer(), Error()
    arguments = [Bytes(data, len(data)) for data in (report, certificates, root)]
    verified = _library.clo_snp_verify_json(*arguments, int(at), c.byref(out), c.byref(error))
    text = c.string_at(out.data, out.size) if out.size else b""
    _library.clo_buffer_free(c.byref(out))
    if not verified and not text:
        raise ValueError(error.text.decode())
    return json.loads(text)
