# machine-init.sh: the first process of a machine in virtual time (testbed/lab/machine.py), started in SHARED.
# Its root becomes a writable copy in memory over the host's; then it executes SHARED/job's command and switches off.
set -eu
shared=$(readlink /proc/self/cwd)  # /proc is still the host's
. "$shared/job"
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LANG=C.UTF-8
export PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/dev/testbed/project
export OPENSSL_ia32cap='~0x4000000000000010'  # neither RDRAND nor the processor's own clock in what is random

mount -t proc proc /proc
mount --make-rprivate /
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay /mnt/root -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work
cd /mnt/root
mount -t proc proc proc
mount -t sysfs sys sys
mount -t devtmpfs dev dev
mkdir -p dev/pts dev/shm
mount -t devpts pts dev/pts
ln -sf /proc/self/fd dev/fd
# The host's logs are not for every user to read, and so not to write on: in the copy there are none.
find var/log -xdev -type f -delete 2> /dev/null || :
for folder in dev/shm run; do mount -t tmpfs -o mode=1777 tmpfs $folder; done
mkdir -p dev/testbed
mount -t tmpfs tmpfs dev/testbed
mkdir dev/testbed/old dev/testbed/out dev/testbed/run
# By names that are the same each time: they stand in /proc/mounts, which programs read in pieces.
mount -t hostfs none dev/testbed/out -o sync,/proc/self/cwd/out
cp "$shared"/given/* dev/testbed/
for name in project python; do  # wherever they lie on the host
    mkdir -p dev/testbed/$name dev/testbed/host/$name dev/testbed/upper/$name dev/testbed/work/$name
    mount -t hostfs none dev/testbed/host/$name -o ro,/proc/self/cwd/$name/.
    ( cd dev/testbed && mount -t overlay overlay $name -o lowerdir=host/$name,upperdir=upper/$name,workdir=work/$name )
done
sed -i '1s|^#!/.*python.*|#!/dev/testbed/python/bin/python3|' dev/testbed/python/bin/ansible* 2> /dev/null || :
mount -t hostfs none dev/testbed/run -o /proc/self/cwd/run/.
pivot_root . dev/testbed/old
cd /dev/testbed/project
ip link set lo up
set +e
eval "$COMMAND" > /dev/testbed/out/stdout
sync
echo o > /proc/sysrq-trigger
sleep 60
