package host

import (
	"net/netip"
	"path/filepath"
	"strconv"
)

// environment is everything that a process on an instance gets. It is a list
// of what is allowed, never the user's own with something taken away: one
// AWS_* variable of the user's would point a child at the real AWS with the
// user's credentials, one proxy variable would send loopback calls elsewhere.
func (h *Host) environment(dir string, addr netip.Addr) []string {
	metadata := "http://" + netip.AddrPortFrom(addr, metadataPort).String() + "/" // CLI 2.9 needs the slash
	return []string{
		"PATH=" + filepath.Join(dir, "bin") + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=" + filepath.Join(dir, "root/home"),
		"TMPDIR=/tmp",
		"LANG=C.UTF-8",
		"AWS_ENDPOINT_URL=" + h.config.Endpoint,
		"AWS_EC2_METADATA_SERVICE_ENDPOINT=" + metadata,
		"AWS_REGION=" + h.config.Region,
		"AWS_DEFAULT_REGION=" + h.config.Region,
		"AWS_CONFIG_FILE=/dev/null",
		"AWS_SHARED_CREDENTIALS_FILE=/dev/null",
		"FAIRLEAD_INSTANCE=" + dir, // where the applets find their supervisor
	}
}

// metadataAddress is where an instance's metadata service listens.
func metadataAddress(addr netip.Addr) string { return addr.String() + ":" + strconv.Itoa(metadataPort) }
