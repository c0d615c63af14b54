"""xfs_proto.py FOLDER: what `mkfs.xfs -p` makes a file system of that folder from (mkfs.xfs(8))."""
import os, stat, sys


def walk(folder, indent):
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        status = os.lstat(path)
        mode = f"{'u' if status.st_mode & 0o4000 else '-'}{'g' if status.st_mode & 0o2000 else '-'}{status.st_mode & 0o777:03o}"
        start = " " * indent + name
        if stat.S_ISLNK(status.st_mode):
            print(f"{start} l{mode} 0 0 {os.readlink(path)}")
        elif stat.S_ISDIR(status.st_mode):
            print(f"{start} d{mode} 0 0")
            walk(path, indent + 1)
            print(" " * indent + "$")
        elif stat.S_ISFIFO(status.st_mode):
            print(f"{start} p{mode} 0 0")
        else:
            print(f"{start} -{mode} 7 8 {os.path.abspath(path)}")


print("/\n0 0\nd--755 0 0")
walk(sys.argv[1], 0)
print("$")
