#!/bin/sh
# On the POWER machine, as root: what docs/node.md says of a node whose distribution has no package of nova.
# install-node.sh ADDRESS RPM...    where the packages are served, and their paths there
set -eu
at=$1
shift
rpm --upgrade --force-debian $(for package; do echo "$at/$package"; done)

systemd-sysusers    # libvirt's group
getent passwd nova >/dev/null || useradd --system --home-dir /var/lib/nova --shell /bin/false nova
usermod -aG libvirt nova
install -d -o nova -g nova /var/lib/nova /var/lib/nova/instances /var/log/nova
chown root:nova /etc/nova/nova.conf
chmod 640 /etc/nova/nova.conf

python3 -m venv --system-site-packages /opt/nova
/opt/nova/bin/python -m pip install --quiet --disable-pip-version-check --no-index --no-deps --require-hashes \
    --trusted-host "$(echo "$at" | sed 's,.*//\([^:/]*\).*,\1,')" --find-links "$at/wheels/" \
    -r "$at/requirements-debian-node.txt"
cp -r /opt/nova/etc/nova/rootwrap.conf /opt/nova/etc/nova/rootwrap.d /etc/nova
sed -i 's,^exec_dirs=,&/opt/nova/bin\,,' /etc/nova/rootwrap.conf
visudo --check --quiet
systemctl daemon-reload
touch /opt/nova/installed
