package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"syscall"
)

// metadataPort is where each instance's metadata service listens, on the
// instance's own address. (amazon-ec2-metadata-mock uses the same.)
const metadataPort = 1338

// addresses hands out the loopback addresses of one 127.x.y.0/24 range. The
// range is this process's own for as long as it holds a listening socket on
// its first address, so that the kernel gives it back when the process dies.
type addresses struct {
	claim net.Listener
	base  netip.Addr

	mu   sync.Mutex
	used map[byte]bool
	next byte
}

// Ranges 127.16.0 to 127.99.255: away from 127.0.0.1, 127.0.1.1 and
// systemd-resolved's 127.0.0.53.
const (
	firstRange = 16 << 8
	ranges     = 84 << 8
)

// claimRange takes a free range and checks that the ports that programs on the
// instances will bind are free there: a listener on the wildcard address
// elsewhere on the machine would make each of them fail.
func claimRange(ports []int) (*addresses, error) {
	start := os.Getpid() * 7
	var busy error
	var listener net.ListenConfig // addresses are given by number: nothing waits
	for i := range 64 {
		n := firstRange + (start+i)%ranges
		base := netip.AddrFrom4([4]byte{127, byte(n >> 8), byte(n), 0})
		address := netip.AddrPortFrom(last(base, 1), metadataPort)
		claim, err := listener.Listen(context.Background(), "tcp4", address.String())
		if errors.Is(err, syscall.EADDRINUSE) {
			busy = fmt.Errorf("port %d is in use on this machine (or 64 ranges of addresses are taken): %w", metadataPort, err)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("loopback addresses for instances: %w", err)
		}
		for _, port := range ports {
			probe, err := listener.Listen(context.Background(), "tcp4", net.JoinHostPort(last(base, 1).String(), strconv.Itoa(port)))
			if err != nil {
				return nil, errors.Join(fmt.Errorf("port %d, which instances need, is in use on this machine: %w", port, err), claim.Close())
			}
			probe.Close()
		}
		return &addresses{claim: claim, base: base, used: map[byte]bool{}}, nil
	}
	return nil, busy
}

func last(base netip.Addr, b byte) netip.Addr {
	a := base.As4()
	a[3] = b
	return netip.AddrFrom4(a)
}

// take gives a free address. They go round, so that an address comes again as
// late as can be: what remembers an ended instance must not meet a new one.
func (a *addresses) take() (netip.Addr, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	const first, count = 10, 245
	for range count {
		b := first + a.next%count
		a.next = (a.next + 1) % count
		if !a.used[b] {
			a.used[b] = true
			return last(a.base, b), nil
		}
	}
	return netip.Addr{}, ErrFull
}

func (a *addresses) release(addr netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.used, addr.As4()[3])
}

// ErrFull is Start's error when the range has no free address: 245 instances.
var ErrFull = errors.New("no free address for another instance")
