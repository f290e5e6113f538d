#!/bin/sh
# image.sh FOLDER: make a hub with a kernel of its own, for the tests: FOLDER/vmlinuz, initrd, hub.img and client, the key that opens it.
set -eu
folder=$1
packages=linux-image-cloud-amd64,systemd-sysv,udev,openssh-server,iproute2,procps,sudo
packages=$packages,nginx,libnginx-mod-http-headers-more-filter,keepalived,udhcpc,dnsmasq-base,nftables,conntrack,iputils-ping
rm -rf "$folder" && mkdir -p "$folder"
cd "$folder"
ssh-keygen -q -t ed25519 -N '' -C 'a test' -f client
cat > lan.network << 'LAN'
[Match]
Name=eth2
[Network]
Address=192.168.10.1/24
LAN
cat > customize << 'CUSTOMIZE'
#!/bin/sh
set -eu
root=$1
echo hub > "$root/etc/hostname"
echo '127.0.1.1 hub' >> "$root/etc/hosts"
install -D -m 600 client.pub "$root/root/.ssh/authorized_keys"
cp lan.network "$root/etc/systemd/network/"
chroot "$root" systemctl --quiet enable systemd-networkd ssh
chroot "$root" systemctl --quiet mask systemd-networkd-wait-online.service apt-daily.timer apt-daily-upgrade.timer
cp "$root"/boot/vmlinuz-* vmlinuz
cp "$root"/boot/initrd.img-* initrd
CUSTOMIZE
chmod +x customize
mmdebstrap --quiet --variant=minbase --include="$packages" --customize-hook=./customize bookworm root.tar
mkdir root
tar -C root -xf root.tar
truncate -s 2G hub.img.new
mkfs.ext4 -q -d root hub.img.new
rm -rf root root.tar
mv hub.img.new hub.img
