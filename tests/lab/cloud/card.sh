#!/bin/sh
# card.sh NAMESPACE TAP ADDRESS BRIDGE: the network card of a guest without a machine. It does what the test guest's init does
# with a card, with the same script of udhcpc, and prints what became of the metadata.
set -e
METADATA=http://169.254.169.254/openstack/latest/meta_data.json
guest=$1 tap=$2 address=$3 bridge=$4
ip netns add "$guest" 2>/dev/null || true
ip link add "$tap" type veth peer name eth0 netns "$guest" address "$address"
# As nova has it done for libvirt: the agent of bridges takes no guest's tap into one.
ip link add "$bridge" type bridge 2>/dev/null || true
ip link set "$bridge" up
ip link set "$tap" master "$bridge" up
ip netns exec "$guest" ip link set eth0 up
if ip netns exec "$guest" busybox udhcpc -q -n -t 20 -O staticroutes -i eth0 -s /laboratory/guest/udhcpc >&2 &&
    ip netns exec "$guest" python3 -c "import urllib.request as web; print(web.urlopen('$METADATA', timeout=10).read())" >&2; then
    echo reached
else
    echo missing
fi
