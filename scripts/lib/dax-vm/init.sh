#!/bin/busybox sh
# What the machine does: the host's files below an overlay, the NVDIMM as `nvdimm=` of the kernel's command line has it, and
# then the program named by `run=`, whose exit status is the last line but one on the console.
fail() {
  echo "dax-vm: failed: $1"
  poweroff -f
}

# Runs a command of the host's.
host() {
  chroot /root /bin/sh -c "PATH=/usr/sbin:/usr/bin:/sbin:/bin; $1" < /root/dev/null
}

/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
depmod
for module in virtio_pci virtio_rng nfit nd_pmem dax_pmem device_dax virtiofs overlay; do
  modprobe $module || fail "no module $module"
done
for word in $(cat /proc/cmdline); do
  case $word in nvdimm=* | run=*) export "$word" ;; esac
done

# The host's files are only read: what is written here stays in this machine's memory.
mkdir -p /lower /upper /root
mount -t virtiofs -o ro host /lower || fail 'the files of the host are not there'
mount -t tmpfs upper /upper
mkdir /upper/data /upper/work
mount -t overlay -o lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work overlay /root || fail 'no overlay'
for place in proc sys dev; do mount --move /$place /root/$place; done
mkdir -p /root/dev/shm /root/dev/pts
for place in dev/shm run; do mount -t tmpfs -o mode=1777 $place /root/$place; done
mount -t devpts devpts /root/dev/pts
ip link set lo up

# A namespace that nobody set up is raw, which has no DAX. One that was is found as it was.
nd=/root/sys/bus/nd
claim() {
  seed=$(cat $nd/devices/region0/$1_seed)
  echo namespace0.0 > $nd/drivers/nd_pmem/unbind
  cat /root/proc/sys/kernel/random/uuid > $nd/devices/$seed/uuid
  echo ram > $nd/devices/$seed/mode
  echo 2097152 > $nd/devices/$seed/align
  echo namespace0.0 > $nd/devices/$seed/namespace
  echo $seed > $nd/drivers/$2/bind || fail "no namespace for $1"
}
is_new=
[ "$(cat $nd/devices/namespace0.0/mode)" = raw ] && is_new=yes
if [ $nvdimm = device ]; then
  [ -z $is_new ] || claim dax dax_pmem
  [ -c /root/dev/dax0.0 ] || fail 'no /dev/dax0.0'
else
  [ -z $is_new ] || claim pfn nd_pmem
  [ -z $is_new ] || host 'mke2fs -q -t ext4 -b 4096 /dev/pmem0' || fail 'mke2fs'
  host 'mkdir -p /mnt/pmem && mount -t ext4 -o dax=always /dev/pmem0 /mnt/pmem && chmod 1777 /mnt/pmem' || fail 'no DAX'
fi

echo 'dax-vm: begins'
# Through a pipe, since programs write to a console in other ways.
{
  host "sh $run"
  echo $? > /status
} 2>&1 | cat
echo "dax-vm: exit $(cat /status)"
[ $nvdimm = device ] || host 'umount /mnt/pmem'
poweroff -f
