"""kept.py FOLDER: files with all that a file system can say of them, to be found again after a conversion."""
import os, stat, struct, sys

ACL = lambda *entries: struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
NOBODY = 0xFFFFFFFF


def write(name, data=b"x"):
    with open(name, "wb") as f:
        f.write(data)


os.makedirs(sys.argv[1])
os.chdir(sys.argv[1])
os.umask(0o022)
for name, size in ("empty", 0), ("byte", 1), ("block", 4096), ("odd", 1234567):
    write(name, os.urandom(size))
for name, mode in ("setuid", 0o4755), ("setgid", 0o2711), ("private", 0o600), ("none", 0):
    write(name)
    os.chmod(name, mode)
os.mkdir("sticky")
os.chmod("sticky", 0o1777)
write("owned")
os.chown("owned", 200000, 4294967294)
write("linked", os.urandom(50000))
os.mkdir("below")
os.link("linked", "below/too")
os.link("linked", "again")
with open("sparse", "wb") as f:
    f.truncate(64 << 20)
    f.seek(40 << 20)
    f.write(b"in the middle")
with open("all-hole", "wb") as f:
    f.truncate(16 << 20)
os.symlink("odd", "link")
os.symlink("/" + "far/" * 60 + "away", "long-link")
os.symlink("nowhere", "dangling")
os.link("link", "link-of-two-names", follow_symlinks=False)
os.mkfifo("pipe", 0o640)
os.mkdir("many")
for i in range(1500):
    write(f"many/a name, long enough for more than one block of names {i:05}", b"%d" % i)
deep = "deep"
for i in range(40):
    os.mkdir(deep)
    deep += "/d"
write("n\u00e4me-\u2603")
write("with space and\ttab".replace("\t", "_"))
for name, attributes in {
    "byte": {"user.short": b"1", "user.empty": b"", "trusted.overlay": b"y", "security.selinux": b"system_u:object_r:etc_t:s0\0"},
    "odd": {"user.large": os.urandom(2500), "security.selinux": b"system_u:object_r:usr_t:s0\0"},
    "setuid": {"security.capability": struct.pack("<IIIII", 0x2000001, 1 << 10, 0, 0, 0)},
    "below": {"security.selinux": b"system_u:object_r:var_t:s0\0"},
    "block": {"system.posix_acl_access": ACL((1, 6, NOBODY), (2, 4, 7), (4, 4, NOBODY), (16, 6, NOBODY), (32, 4, NOBODY))},
    "sticky": {
        "system.posix_acl_access": ACL((1, 7, NOBODY), (4, 5, NOBODY), (8, 7, 1234), (16, 7, NOBODY), (32, 0, NOBODY)),
        "system.posix_acl_default": ACL((1, 7, NOBODY), (4, 5, NOBODY), (8, 5, 1234), (16, 7, NOBODY), (32, 5, NOBODY)),
    },
}.items():
    for attribute, value in attributes.items():
        os.setxattr(name, attribute, value)
for name, when in ("byte", 1), ("odd", 1234567890123456789), ("private", 4102444800000000000), ("link", 981173106000000000), ("below", 1000000000999999999):
    os.utime(name, ns=(when, when), follow_symlinks=False)
