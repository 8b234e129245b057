// Package instance is what the programs on an EC2 instance know and say of
// it: who it is (Identity), what this process did there each second (Meter,
// Recorder), and how its server starts, proves itself (Probe) and stops
// (Serve). Backend and proxy share it; it imports the standard library and
// the client of the instance metadata service, nothing else.
package instance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
)

// EndpointVariable names the environment variable that replaces the metadata
// service's well-known address (AWS SDKs' shared configuration).
const EndpointVariable = "AWS_EC2_METADATA_SERVICE_ENDPOINT"

// metadataWait bounds the whole conversation with the metadata service. The
// service answers in about a millisecond where it exists; where it does not,
// packets to 169.254.169.254 vanish and only this ends the wait.
const metadataWait = 3 * time.Second

// Identity is one EC2 instance as it sees itself.
type Identity struct {
	ID   string // "i-0123456789abcdef0"
	Type string // "t2.micro"; empty outside EC2
	Addr string // private IPv4 address, where its programs listen; empty outside EC2

	// VCPUs is how many processors the instance shows, CPUs how many cores'
	// worth of time it may use. They differ only under an emulator.
	VCPUs int
	CPUs  float64

	// Emulation says how an emulator limits this instance. Nil on AWS.
	Emulation *Emulation
}

// Emulation is what an emulator's metadata service says at
// /latest/meta-data/emulation. AWS answers 404 there.
type Emulation struct {
	Emulator  string  `json:"emulator"`
	CPULimit  string  `json:"cpuLimit"` // "cgroup-v1", "cgroup-v2", "stop-cont" or "none"
	Scale     float64 `json:"scale"`    // share of a core per vCPU
	VCPUs     int     `json:"vcpus"`
	CPUs      float64 `json:"cpus"` // VCPUs * Scale
	HostCores int     `json:"hostCores"`

	Architecture string `json:"architecture,omitempty"` // of the machine, whose programs run here whatever the type is
}

// Metadata is the part of the metadata client that Identify needs.
type Metadata interface {
	GetMetadata(context.Context, *imds.GetMetadataInput, ...func(*imds.Options)) (*imds.GetMetadataOutput, error)
}

// NewMetadata gives a client of the metadata service at endpoint; an empty
// endpoint means the well-known address.
func NewMetadata(endpoint string) Metadata {
	return imds.New(imds.Options{Endpoint: endpoint})
}

// Local is the identity of a process outside EC2 that was given an id.
func Local(id string) Identity {
	n := runtime.NumCPU()
	return Identity{ID: id, VCPUs: n, CPUs: float64(n)}
}

// Identify asks the metadata service who this instance is. Its error is
// *NoMetadataError where no such service answers.
func Identify(ctx context.Context, m Metadata) (Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, metadataWait)
	defer cancel()
	id, err := get(ctx, m, "instance-id")
	if err != nil {
		return Identity{}, &NoMetadataError{err}
	}
	me := Local(string(id))
	for path, into := range map[string]*string{"instance-type": &me.Type, "local-ipv4": &me.Addr} {
		value, err := get(ctx, m, path)
		if err != nil {
			return Identity{}, fmt.Errorf("instance metadata %s: %w", path, err)
		}
		*into = string(value)
	}
	text, err := get(ctx, m, "emulation")
	var status interface{ HTTPStatusCode() int }
	if errors.As(err, &status) && status.HTTPStatusCode() == http.StatusNotFound {
		return me, nil // a real instance
	}
	if err != nil {
		return Identity{}, fmt.Errorf("instance metadata emulation: %w", err)
	}
	me.Emulation = new(Emulation)
	if err := json.Unmarshal(text, me.Emulation); err != nil {
		return Identity{}, fmt.Errorf("instance metadata emulation: %w", err)
	}
	me.VCPUs, me.CPUs = me.Emulation.VCPUs, me.Emulation.CPUs
	return me, nil
}

// NoMetadataError says that there is no metadata service here.
type NoMetadataError struct{ err error }

func (e *NoMetadataError) Error() string {
	return fmt.Sprintf("no instance metadata service answers: %v", e.err)
}

func (e *NoMetadataError) Unwrap() error { return e.err }

func get(ctx context.Context, m Metadata, path string) ([]byte, error) {
	out, err := m.GetMetadata(ctx, &imds.GetMetadataInput{Path: path})
	if err != nil {
		return nil, err
	}
	defer out.Content.Close()
	const most = 64 << 10 // no metadata of ours is near it
	return io.ReadAll(io.LimitReader(out.Content, most))
}

// Region asks the metadata service for the region of this instance.
func Region(ctx context.Context, m Metadata) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, metadataWait)
	defer cancel()
	region, err := get(ctx, m, "placement/region")
	if err != nil {
		return "", fmt.Errorf("instance metadata placement/region: %w", err)
	}
	return string(region), nil
}
