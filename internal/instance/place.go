package instance

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
)

// Locate finds out who this instance is. A program that was told its id and
// all its addresses by flags does not need the metadata service, and it is not
// asked. Outside EC2 the error names the flags that would do.
func Locate(ctx context.Context, m Metadata, id string, addressesGiven bool, flags string) (Identity, error) {
	if id != "" && addressesGiven {
		return Local(id), nil
	}
	me, err := Identify(ctx, m)
	var none *NoMetadataError
	if errors.As(err, &none) {
		return Identity{}, fmt.Errorf("%w; outside EC2, give %s", err, flags)
	}
	if err != nil {
		return Identity{}, err
	}
	if id != "" {
		me.ID = id
	}
	return me, nil
}

// At is the instance's private address with a port.
func (i Identity) At(port int) string { return net.JoinHostPort(i.Addr, strconv.Itoa(port)) }
