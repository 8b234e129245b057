package cloudwatch

import (
	"net/http"
	"sync"
	"time"

	"github.com/fairlead/fairlead/local/gateway"
)

// Instance is what an instance's CPU has been asked for so far.
type Instance struct {
	ID    string
	Used  float64 // CPU seconds since its start
	Cores float64 // that it may use: 100 % of CPUUtilization
}

// Instances lists the instances that live now.
type Instances interface{ Live() []Instance }

// Config is what the service needs of its surroundings.
type Config struct {
	Instances Instances     // nil: no AWS/EC2 metrics
	Every     time.Duration // between looks at the instances; 0 means one second
}

// Service keeps metrics. Close ends its looking at the instances.
type Service struct {
	cfg   Config
	store *store
	table gateway.Service
	stop  chan struct{}
	once  sync.Once
	done  sync.WaitGroup
}

var _ gateway.Service = (*Service)(nil)

// New starts a service without metrics.
func New(cfg Config) *Service {
	if cfg.Every == 0 {
		cfg.Every = time.Second
	}
	s := &Service{cfg: cfg, store: newStore(), stop: make(chan struct{})}
	s.table = gateway.Table(map[string]gateway.Operation{
		"PutMetricData":       s.putMetricData,
		"GetMetricData":       s.getMetricData,
		"GetMetricStatistics": s.getMetricStatistics,
		"ListMetrics":         s.listMetrics,
	})
	if cfg.Instances != nil {
		s.done.Go(s.watch)
	}
	return s
}

// ServeAWS answers CBOR, JSON and Query alike.
func (s *Service) ServeAWS(w http.ResponseWriter, r *gateway.Request) { s.table.ServeAWS(w, r) }

// Close ends the watch on the instances. What was kept can still be read.
func (s *Service) Close() error {
	s.once.Do(func() { close(s.stop) })
	s.done.Wait()
	return nil
}

// watch turns each instance's CPU clock into CPUUtilization.
func (s *Service) watch() {
	tick := time.NewTicker(s.cfg.Every)
	defer tick.Stop()
	type seen struct {
		used float64
		at   time.Time
	}
	before := map[string]seen{}
	look := func(now time.Time) {
		live := map[string]seen{}
		for _, i := range s.cfg.Instances.Live() {
			live[i.ID] = seen{i.Used, now}
			old, known := before[i.ID]
			seconds := now.Sub(old.at).Seconds()
			if !known || seconds <= 0 || i.Cores <= 0 {
				continue
			}
			percent := min(100, max(0, (i.Used-old.used)/seconds/i.Cores*100))
			m := Metric{"AWS/EC2", "CPUUtilization", []Dimension{{"InstanceId", i.ID}}}
			s.store.mu.Lock()
			s.store.add(m, "Percent", now, 60, func(b *bucket) { b.addValue(percent, 1) })
			s.store.mu.Unlock()
		}
		before = live
	}
	look(time.Now())
	for {
		select {
		case <-s.stop:
			return
		case now := <-tick.C:
			look(now)
		}
	}
}
