package supervisor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/fairlead/fairlead/local/host/systemd"
)

// unitDir is where an administrator's units stand on an instance.
const unitDir = "/etc/systemd/system"

// units are the loaded units of the instance. As in systemd a unit is read at
// its first use and again only at daemon-reload.
type units struct {
	mu       sync.Mutex
	services map[string]*service
	timers   map[string]*timer
}

// errNoUnit is a unit that has no file.
var errNoUnit = errors.New("not found")

// fullName adds .service to a name without a suffix, as systemctl does.
func fullName(name string) string {
	if filepath.Ext(name) == "" {
		return name + ".service"
	}
	return name
}

// load finds a unit. Exactly one of the results is set when err is nil.
func (s *supervisor) load(name string) (*service, *timer, error) {
	s.units.mu.Lock()
	defer s.units.mu.Unlock()
	if v, ok := s.units.services[name]; ok {
		return v, nil, nil
	}
	if t, ok := s.units.timers[name]; ok {
		return nil, t, nil
	}
	u, err := s.read(name)
	if err != nil {
		return nil, nil, err
	}
	if u.Timer != nil {
		t := newTimer(s, u)
		s.units.timers[name] = t
		return nil, t, nil
	}
	v := newService(s, u)
	s.units.services[name] = v
	return v, nil, nil
}

func (s *supervisor) read(name string) (*systemd.Unit, error) {
	text, err := s.readText(name)
	if err != nil {
		return nil, err
	}
	return systemd.Parse(name, text)
}

func (s *supervisor) readText(name string) (string, error) {
	if strings.Contains(name, "/") {
		return "", fmt.Errorf("unit name %q has a slash", name)
	}
	text, err := os.ReadFile(s.resolve(filepath.Join(unitDir, name)))
	if errors.Is(err, os.ErrNotExist) {
		return "", errNoUnit
	}
	return string(text), err
}

// reload reads every loaded unit again. What runs goes on as it was started.
func (s *supervisor) reload() error {
	s.units.mu.Lock()
	defer s.units.mu.Unlock()
	var problems []error
	again := func(name string) *systemd.Unit {
		u, err := s.read(name)
		if err != nil && !errors.Is(err, errNoUnit) {
			problems = append(problems, err)
		}
		return u
	}
	for name, v := range s.units.services {
		if u := again(name); u != nil {
			v.mu.Lock()
			v.unit = u
			v.mu.Unlock()
		}
	}
	for name, t := range s.units.timers {
		if u := again(name); u != nil {
			t.mu.Lock()
			t.unit = u
			t.mu.Unlock()
		}
	}
	return errors.Join(problems...)
}

func (s *supervisor) startUnit(name string) error {
	v, t, err := s.load(name)
	switch {
	case err != nil:
		return fmt.Errorf("unit %s: %w", name, err)
	case t != nil:
		return t.start()
	}
	return v.start()
}

// stopAll ends every timer, then every service, side by side.
func (s *supervisor) stopAll() {
	s.units.mu.Lock()
	var timers []*timer
	for _, t := range s.units.timers {
		timers = append(timers, t)
	}
	var services []*service
	for _, v := range s.units.services {
		services = append(services, v)
	}
	s.units.mu.Unlock()
	for _, t := range timers {
		t.stop()
	}
	var wait sync.WaitGroup
	for _, v := range services {
		wait.Go(v.stop)
	}
	wait.Wait()
}

// enable makes or removes the links that [Install] asks for.
func (s *supervisor) enable(u *systemd.Unit, on bool) (string, error) {
	var out strings.Builder
	targets := slices.Clone(u.WantedBy)
	slices.Sort(targets)
	for _, target := range targets {
		dir := s.resolveNew(filepath.Join(unitDir, target+".wants"))
		link := filepath.Join(dir, u.Name)
		if !on {
			if err := os.Remove(link); err == nil {
				fmt.Fprintf(&out, "Removed %q.\n", filepath.Join(unitDir, target+".wants", u.Name))
			} else if !errors.Is(err, os.ErrNotExist) {
				return "", err
			}
			continue
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", err
		}
		file := filepath.Join(unitDir, u.Name)
		err := os.Symlink(file, link)
		if err == nil {
			fmt.Fprintf(&out, "Created symlink %s → %s.\n", filepath.Join(unitDir, target+".wants", u.Name), file)
		} else if !errors.Is(err, os.ErrExist) {
			return "", err
		}
	}
	return out.String(), nil
}

// enabled says whether a unit has a link in a target's folder.
func (s *supervisor) enabled(u *systemd.Unit) string {
	if len(u.WantedBy) == 0 {
		return "static"
	}
	for _, target := range u.WantedBy {
		if _, err := os.Lstat(s.resolveNew(filepath.Join(unitDir, target+".wants", u.Name))); err != nil {
			return "disabled"
		}
	}
	return "enabled"
}
