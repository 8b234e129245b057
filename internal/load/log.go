package load

import (
	"bytes"
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Tag says from which moment an interval's latencies count.
type Tag string

// The tags of a log.
const (
	TagActual   Tag = "actual"   // from the send
	TagIntended Tag = "intended" // from when the schedule wanted the send
)

// Every histogram counts microseconds, 1 µs to 10 min, to three digits. All
// must be alike, so that merging them adds counts and loses nothing.
const (
	lowestMicros  = 1
	highestMicros = int64(10 * time.Minute / time.Microsecond)
	digits        = 3
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(lowestMicros, highestMicros, digits)
}

func record(h *hdrhistogram.Histogram, d time.Duration) {
	// Within these bounds RecordValue cannot fail.
	_ = h.RecordValue(min(max(d.Microseconds(), lowestMicros), highestMicros))
}

// encoded is a histogram as a log line holds it.
type encoded struct {
	payload string
	max     int64
}

func encode(h *hdrhistogram.Histogram) (encoded, error) {
	b, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	return encoded{payload: string(b), max: h.Max()}, err
}

func decode(payload string) (*hdrhistogram.Histogram, error) {
	h, err := hdrhistogram.Decode([]byte(payload))
	if err != nil {
		return nil, err
	}
	if h.LowestTrackableValue() != lowestMicros || h.HighestTrackableValue() != highestMicros || h.SignificantFigures() != digits {
		return nil, fmt.Errorf("a histogram of %d–%d to %d digits is not one of ours", h.LowestTrackableValue(), h.HighestTrackableValue(), h.SignificantFigures())
	}
	return h, nil
}

// intervalKey is one line of a log: a Unix second and what is counted in it.
type intervalKey struct {
	second int64
	tag    Tag
}

func (k intervalKey) compare(o intervalKey) int {
	if c := cmp.Compare(k.second, o.second); c != 0 {
		return c
	}
	return cmp.Compare(k.tag, o.tag)
}

// writeLog writes an HdrHistogram log, version 1.3: a header, then a line a
// second and tag in that order, "Tag=actual,<Unix second>,1.000,<max in
// seconds>,<V2 compressed histogram>". The same counts give the same bytes.
func writeLog(t0 time.Time, lines map[intervalKey]encoded) []byte {
	var b bytes.Buffer
	writeHeader(&b, t0)
	for _, k := range slices.SortedFunc(maps.Keys(lines), intervalKey.compare) {
		writeLine(&b, k, lines[k])
	}
	return b.Bytes()
}

func writeHeader(b *bytes.Buffer, t0 time.Time) {
	fmt.Fprintf(b, "#[Histogram log format version %s]\n", hdrhistogram.HISTOGRAM_LOG_FORMAT_VERSION)
	fmt.Fprintf(b, "#[StartTime: %.3f (seconds since epoch), %s]\n", float64(t0.UnixMilli())/1000, t0.UTC().Format(time.RFC3339Nano))
	fmt.Fprintln(b, `"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"`)
}

func writeLine(b *bytes.Buffer, k intervalKey, e encoded) {
	fmt.Fprintf(b, "Tag=%s,%d.000,1.000,%.6f,%s\n", k.tag, k.second, float64(e.max)/1e6, e.payload)
}

// Interval is one second of one tag of a log.
type Interval struct {
	Second    int64 // Unix time at which these latencies began
	Tag       Tag
	Histogram *hdrhistogram.Histogram // microseconds
}

// ReadLog yields the intervals of a log in order, or ends with an error.
func ReadLog(log []byte) iter.Seq2[Interval, error] {
	return func(yield func(Interval, error) bool) {
		r := logReader{rest: log}
		for {
			k, payload, ok, err := r.next()
			if err != nil {
				yield(Interval{}, err)
				return
			}
			if !ok {
				return
			}
			h, err := decode(payload)
			if err != nil {
				yield(Interval{}, fmt.Errorf("line %d: %w", r.line, err))
				return
			}
			if !yield(Interval{Second: k.second, Tag: k.tag, Histogram: h}, nil) {
				return
			}
		}
	}
}

// logReader reads a log line by line without decoding the histograms.
type logReader struct {
	rest []byte
	line int
	last intervalKey
}

func (r *logReader) next() (k intervalKey, payload string, ok bool, err error) {
	for len(r.rest) > 0 {
		var line []byte
		line, r.rest, _ = bytes.Cut(r.rest, []byte("\n"))
		r.line++
		text := strings.TrimSuffix(string(line), "\r")
		if text == "" || text[0] == '#' || text[0] == '"' {
			continue
		}
		f := strings.Split(text, ",")
		if len(f) != 5 || !strings.HasPrefix(f[0], "Tag=") {
			return k, "", false, fmt.Errorf("line %d is no tagged interval", r.line)
		}
		start, perr := strconv.ParseFloat(f[1], 64)
		if perr != nil || start != float64(int64(start)) {
			return k, "", false, fmt.Errorf("line %d does not begin at a whole second: %q", r.line, f[1])
		}
		k = intervalKey{second: int64(start), tag: Tag(strings.TrimPrefix(f[0], "Tag="))}
		if k.tag != TagActual && k.tag != TagIntended {
			return k, "", false, fmt.Errorf("line %d has the tag %q", r.line, k.tag)
		}
		if r.last.tag != "" && r.last.compare(k) >= 0 {
			return k, "", false, fmt.Errorf("line %d is out of order", r.line)
		}
		r.last = k
		return k, f[4], true, nil
	}
	return k, "", false, nil
}
