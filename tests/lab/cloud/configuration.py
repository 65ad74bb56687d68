"""The configuration files of the control plane: whole ones, in place of the packages' own."""

import os

ADDRESS = "10.0.2.2"
PASSWORD = "secret"  # of a cloud that nothing reaches from outside its namespace
SHARE = f"{ADDRESS}:/srv/nfs"
IDENTITY = f"http://{ADDRESS}:5000"
RABBIT = f"rabbit://openstack:{PASSWORD}@{ADDRESS}"

Settings = dict[str, dict[str, str]]


def database(user: str, name: str = "") -> dict[str, str]:
    """Where a service keeps its data."""
    return {"connection": f"mysql+pymysql://{user}:{PASSWORD}@127.0.0.1/{name or user}"}


def credentials(user: str) -> dict[str, str]:
    """As whom a service speaks to the others."""
    return {
        "auth_type": "password",
        "auth_url": IDENTITY,
        "project_domain_name": "Default",
        "user_domain_name": "Default",
        "project_name": "service",
        "username": user,
        "password": PASSWORD,
        "region_name": "RegionOne",
    }


def tokens(user: str, *, services: bool = False) -> dict[str, str]:
    """How a service looks at the tokens that it is given."""
    found = {"www_authenticate_uri": IDENTITY, "memcached_servers": "127.0.0.1:11211", **credentials(user)}
    if services:
        found |= {"service_token_roles": "service", "service_token_roles_required": "true"}
    return found


def _keystone() -> Settings:
    return {
        "database": database("keystone"),
        "token": {"provider": "fernet"},
        # Every program logs in with a password: nothing is to be learned from how long that takes.
        "identity": {"password_hash_rounds": "4"},
        "cache": {
            "enabled": "true",
            "backend": "dogpile.cache.pymemcache",
            "memcache_servers": "127.0.0.1:11211",
        },
    }


def _placement() -> Settings:
    return {
        "api": {"auth_strategy": "keystone"},
        "placement_database": database("placement"),
        "keystone_authtoken": tokens("placement"),
    }


def _glance() -> Settings:
    return {
        "DEFAULT": {"workers": "0"},
        "database": database("glance"),
        "glance_store": {
            "stores": "file",
            "default_store": "file",
            "filesystem_store_datadir": "/var/lib/glance/images",
        },
        "paste_deploy": {"flavor": "keystone"},
        "keystone_authtoken": tokens("glance"),
    }


def nova(**more: str) -> Settings:
    """nova's, of the control plane and of its compute nodes; ``more`` goes to the section DEFAULT."""
    return {
        "DEFAULT": {
            "transport_url": RABBIT,
            "my_ip": ADDRESS,
            "state_path": "/var/lib/nova",
            # How long a service may be silent, so that tests need not wait for a minute.
            "report_interval": "3",
            "service_down_time": os.environ.get("LAB_SERVICE_DOWN_TIME", "20"),
            "shelved_offload_time": "0",
            **more,
        },
        "api_database": database("nova", "nova_api"),
        "database": database("nova"),
        "conductor": {"workers": "1"},
        "scheduler": {"workers": "1", "discover_hosts_in_cells_interval": "5"},
        "glance": {"api_servers": f"http://{ADDRESS}:9292"},
        "oslo_concurrency": {"lock_path": "/var/lib/nova/tmp"},
        "placement": credentials("placement"),
        "neutron": {
            "service_metadata_proxy": "true",
            "metadata_proxy_shared_secret": PASSWORD,
            **credentials("neutron"),
        },
        "cinder": credentials("cinder"),
        "service_user": {"send_service_user_token": "true", **credentials("nova")},
        "keystone_authtoken": tokens("nova", services=True),
        "vnc": {"enabled": "false"},
    }


def _neutron() -> Settings:
    return {
        "DEFAULT": {
            "core_plugin": "ml2",
            # ml2 alone answers every list of ports with an error of its own: neutron 21.
            "service_plugins": "router,port_forwarding",
            "transport_url": RABBIT,
            "api_workers": "0",
            "rpc_workers": "0",
            "notify_nova_on_port_status_changes": "false",
            "notify_nova_on_port_data_changes": "false",
        },
        "experimental": {"linuxbridge": "true"},
        "database": database("neutron"),
        "oslo_concurrency": {"lock_path": "/var/lib/neutron/tmp"},
        "keystone_authtoken": tokens("neutron"),
    }


def agents(host: str) -> str:
    """The file of neutron's agents on a host: one for all three."""
    settings = {
        **_neutron(),
        "linux_bridge": {"physical_interface_mappings": ""},
        "vxlan": {"enable_vxlan": "false"},
        "securitygroup": {"enable_security_group": "false", "firewall_driver": "noop"},
    }
    settings["DEFAULT"] |= {
        "host": host,
        "state_path": "/var/lib/neutron",
        "interface_driver": "linuxbridge",
        # Networks here have no router, whose part this is elsewhere.
        "enable_isolated_metadata": "true",
        "nova_metadata_host": ADDRESS,
        "metadata_proxy_shared_secret": PASSWORD,
        "metadata_workers": "0",
    }
    return written(settings)


def _cinder() -> Settings:
    return {
        "DEFAULT": {
            "transport_url": RABBIT,
            "my_ip": ADDRESS,
            "rootwrap_config": "/etc/cinder/rootwrap.conf",
            "api_paste_config": "/etc/cinder/api-paste.ini",
            "state_path": "/var/lib/cinder",
            "auth_strategy": "keystone",
            "enabled_backends": "nfs",
            "default_volume_type": "__DEFAULT__",
            "glance_api_servers": f"http://{ADDRESS}:9292",
        },
        "database": database("cinder"),
        "nfs": {
            "volume_driver": "cinder.volume.drivers.nfs.NfsDriver",
            "volume_backend_name": "nfs",
            "nfs_shares_config": "/etc/cinder/nfs_shares",
            "nfs_mount_point_base": "/var/lib/cinder/mnt",
            "nfs_snapshot_support": "true",
            "nas_secure_file_operations": "false",
            "nas_secure_file_permissions": "false",
            "nfs_mount_options": "vers=4.1",
        },
        "nova": credentials("nova"),
        "service_user": {"send_service_user_token": "true", **credentials("cinder")},
        "oslo_concurrency": {"lock_path": "/var/lib/cinder/tmp"},
        "keystone_authtoken": tokens("cinder", services=True),
    }


def files() -> dict[str, str]:
    """Every configuration file of the control plane by its path."""
    return {
        "/etc/keystone/keystone.conf": written(_keystone()),
        "/etc/placement/placement.conf": written(_placement()),
        "/etc/glance/glance-api.conf": written(_glance()),
        "/etc/nova/nova.conf": written(nova()),
        "/etc/neutron/neutron.conf": written(_neutron()),
        "/etc/neutron/plugins/ml2/ml2_conf.ini": written(
            {
                "ml2": {
                    "type_drivers": "local,flat",
                    "tenant_network_types": "local",
                    "mechanism_drivers": "linuxbridge",
                    "extension_drivers": "port_security",
                }
            }
        ),
        "/etc/cinder/cinder.conf": written(_cinder()),
        "/etc/cinder/nfs_shares": f"{SHARE}\n",
        "/etc/rabbitmq/rabbitmq.conf": "\n".join(
            ("default_user = openstack", f"default_pass = {PASSWORD}", "loopback_users = none", "")
        ),
    }


def written(settings: Settings) -> str:
    """Settings as the text of their file."""
    lines = []
    for section, values in settings.items():
        lines += [f"[{section}]", *(f"{name} = {value}" for name, value in values.items()), ""]
    return "\n".join(lines)
