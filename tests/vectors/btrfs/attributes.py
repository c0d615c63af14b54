"""attributes.py FOLDER: an ACL, a label, and a large attribute on the files of the folder that make.sh fills."""
import os, struct, sys

os.chdir(sys.argv[1])
entries = [(1, 6, -1), (2, 7, 1234), (4, 4, -1), (16, 7, -1), (32, 4, -1)]
os.setxattr("mixed", "system.posix_acl_access", struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries))
os.setxattr("mixed", "user.large", b"y" * 3000)
os.setxattr("text", "user.note", b"kept")
os.setxattr("text", "security.selinux", b"system_u:object_r:etc_t:s0\0")
