// Package imds is the instance metadata service of one emulated EC2 instance,
// version 2 only: a GET needs the token that a PUT gave.
//
// Paths and documents are those of the EC2 user guide, "Instance metadata
// categories". One path is the local cloud's own: /latest/meta-data/emulation
// says how far the instance is from the real thing; on AWS it is a 404.
package imds

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fairlead/fairlead/local/iam"
)

// Instance is what the service tells about its instance.
type Instance struct {
	ID, Type, Architecture, ImageID string
	Account, Region, Zone           string
	LocalIPv4                       string
	Launched                        time.Time
	ProfileARN, RoleARN             string            // empty: no instance profile
	Tags                            map[string]string // nil: InstanceMetadataTags is disabled
	UserData                        []byte
	Emulation                       Emulation
}

// Emulation is the document at /latest/meta-data/emulation.
type Emulation struct {
	Emulator  string  `json:"emulator"`
	CPULimit  string  `json:"cpuLimit"`  // cgroup-v1, cgroup-v2, stop-cont or none
	Scale     float64 `json:"scale"`     // cores per vCPU
	VCPUs     int     `json:"vcpus"`     // as the instance type has
	CPUs      float64 `json:"cpus"`      // cores that the instance may use: vcpus × scale
	HostCores int     `json:"hostCores"` // of this machine

	// Architecture is this machine's, whose programs an instance runs whatever
	// its type says: x86_64 or arm64.
	Architecture string `json:"architecture"`
}

// Credentials gives the role's credentials for a session.
type Credentials func(roleARN, session string) (iam.Credentials, error)

// Server answers for one instance.
type Server struct {
	instance    func() Instance
	credentials Credentials

	mu     sync.Mutex
	tokens map[string]time.Time // until when each is valid
	role   string               // whose credentials these are
	keys   iam.Credentials
	renew  time.Time // from when on there are new ones
}

var _ http.Handler = (*Server)(nil)

// New makes a server. instance is asked on each request, because tags change.
func New(instance func() Instance, credentials Credentials) *Server {
	return &Server{instance: instance, credentials: credentials, tokens: map[string]time.Time{}}
}

const (
	tokenHeader = "X-Aws-Ec2-Metadata-Token"
	ttlHeader   = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
	maxTTL      = 21600 // six hours, the documented maximum
)

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Server", "EC2ws")
	path := strings.TrimSuffix(r.URL.Path, "/")
	switch {
	case r.Method == http.MethodPut && path == "/latest/api/token":
		s.issue(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
	case !s.valid(r.Header.Get(tokenHeader)):
		http.Error(w, "Unauthorized: IMDSv2 needs a session token", http.StatusUnauthorized)
	default:
		s.get(w, path)
	}
}

func (s *Server) issue(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Forwarded-For") != "" { // as EC2: a proxy must not fetch tokens for others
		http.Error(w, "Forbidden", http.StatusForbidden)
		return
	}
	ttl, err := strconv.Atoi(r.Header.Get(ttlHeader))
	if err != nil || ttl < 1 || ttl > maxTTL {
		http.Error(w, "Bad Request: "+ttlHeader+" must be 1 to 21600", http.StatusBadRequest)
		return
	}
	token, now := rand.Text(), time.Now()
	s.mu.Lock()
	for old, until := range s.tokens {
		if now.After(until) {
			delete(s.tokens, old)
		}
	}
	s.tokens[token] = now.Add(time.Duration(ttl) * time.Second)
	s.mu.Unlock()
	w.Header().Set(ttlHeader, strconv.Itoa(ttl))
	_, _ = w.Write([]byte(token)) // the client is gone; there is nobody to tell
}

func (s *Server) valid(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	until, ok := s.tokens[token]
	return ok && time.Now().Before(until)
}

// get answers a path of the tree: a leaf with its text, a folder with the
// names in it, one a line, folders with a slash.
func (s *Server) get(w http.ResponseWriter, path string) {
	leaves := s.leaves()
	w.Header().Set("Content-Type", "text/plain")
	if leaf, ok := leaves[path]; ok {
		text, err := leaf()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = w.Write([]byte(text))
		return
	}
	var names []string
	for leaf := range leaves {
		if rest, ok := strings.CutPrefix(leaf, path+"/"); ok {
			name, _, deeper := strings.Cut(rest, "/")
			if deeper {
				name += "/"
			}
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		http.Error(w, "Not Found", http.StatusNotFound)
		return
	}
	slices.Sort(names)
	_, _ = w.Write([]byte(strings.Join(slices.Compact(names), "\n")))
}

func document(v any) (string, error) {
	text, err := json.MarshalIndent(v, "", "  ")
	return string(text), err
}
