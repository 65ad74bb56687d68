#!/bin/sh
# On the POWER machine, as root: what docs/node.md says of a node whose distribution has no package of nova.
# install-node.sh ADDRESS RPM...    where the packages are served, and their paths there
set -eu
at=$1
shift
# rpm itself would fetch them with curl, which is not there.
files=$(mktemp -d)
for package; do
    python3 -c 'import sys, urllib.request; urllib.request.urlretrieve(*sys.argv[1:])' \
        "$at/$package" "$files/$(basename "$package")"
done
# Debian's rpm keeps its database in the home folder, unless it is told otherwise.
mkdir -p /etc/rpm
echo '%_dbpath /var/lib/rpm' >/etc/rpm/macros
rpm --upgrade --replacepkgs --force-debian "$files"/*.rpm
rm -r "$files"

# The machine has its settings already: rpm puts those of the package in their place.
for file in /etc/libvirt/*.rpmorig; do
    [ ! -e "$file" ] || mv "$file" "${file%.rpmorig}"
done
systemd-sysusers    # of libvirt 11; libvirt 9 brings no such file
getent group libvirt >/dev/null || groupadd --system libvirt
getent passwd nova >/dev/null || useradd --system --home-dir /var/lib/nova --shell /bin/false nova
usermod -aG libvirt nova
install -d -o nova -g nova /var/lib/nova /var/lib/nova/instances /var/log/nova
chown root:nova /etc/nova/nova.conf
chmod 640 /etc/nova/nova.conf

# Bytecode is made of what is imported: of all of it takes ten minutes on an emulated machine.
python3 -m venv --system-site-packages /opt/nova
/opt/nova/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --no-index --no-deps --require-hashes \
    --trusted-host "$(echo "$at" | sed 's,.*//\([^:/]*\).*,\1,')" --find-links "$at/wheels/" \
    -r "$at/requirements-debian-node.txt"
cp -r /opt/nova/etc/nova/rootwrap.conf /opt/nova/etc/nova/rootwrap.d /etc/nova
sed -i 's,^exec_dirs=,&/opt/nova/bin\,,' /etc/nova/rootwrap.conf
chmod 440 /etc/sudoers.d/nova
visudo --check --quiet
systemctl daemon-reload
touch /opt/nova/installed
