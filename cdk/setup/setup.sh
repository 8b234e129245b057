#!/bin/bash
# Installs one of the two programs as a systemd service and proves that it answers.
# Run by the SSM agent as root. The values in double braces are pasted in by SSM
# before bash reads this; each has an anchored allowedPattern that leaves nothing
# a quote, a dollar sign or a line break could mean something with.
# Safe to run again: an artifact that is already there is kept, the unit is
# written anew, the service restarted.
set -euo pipefail

artifact='{{ Artifact }}'
sha256='{{ Sha256 }}'
service='{{ Service }}'
arguments='{{ Arguments }}'

root="${FAIRLEAD_ROOT:-}" # empty on an instance
folder="$root/opt/fairlead"
program="$folder/$service"
unit="fairlead-$service.service"

matches() { echo "$sha256  $1" | sha256sum --check --status; }

mkdir -p "$folder" "$root/etc/systemd/system"

if ! { [ -f "$program" ] && matches "$program"; }; then
  aws s3 cp --only-show-errors "$artifact" "$program.download"
  if ! matches "$program.download"; then
    echo "setup: $artifact does not have the SHA-256 $sha256; not installed" >&2
    exit 1
  fi
  # Beside the target and then renamed: a running program cannot be written to,
  # and half a program is never found under its name.
  install -m 0755 "$program.download" "$program.new"
  mv -f "$program.new" "$program"
  rm -f "$program.download"
fi

# EPERM beside the list of calls, as systemd.exec(5) shows it: without it a call
# that is not listed, of a newer Go for instance, kills the program.
cat > "$root/etc/systemd/system/$unit" <<UNIT
[Unit]
Description=Fairlead $service
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart=$program $arguments
Restart=always
RestartSec=1
LimitNOFILE=65536
DynamicUser=yes
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
UNIT

systemctl daemon-reload
systemctl enable "$unit"
systemctl restart "$unit"

if ! "$program" -check 10s; then
  echo "setup: $service did not answer within 10 s" >&2
  systemctl status --no-pager "$unit" >&2 || true
  journalctl --no-pager -n 50 -u "$unit" >&2 || true
  exit 1
fi
