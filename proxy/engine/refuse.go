package engine

import (
	"net/http"
	"strconv"
	"time"

	"github.com/fairlead/fairlead/proxy/refusal"
)

// via is what this proxy calls itself (RFC 9110, section 7.6.3).
const via = "fairlead"

// refuse answers a request from here. Unless keep is set, the connection ends
// with it.
func (s *session) refuse(status int, b refusal.Body, headOnly bool) {
	text := b.JSON(status)
	out := s.e.outs.get()
	defer s.e.outs.put(out)
	p := append(out.b, "HTTP/1.1 "...)
	p = strconv.AppendInt(p, int64(status), 10)
	p = append(p, ' ')
	p = append(p, http.StatusText(status)...)
	p = append(p, "\r\nDate: "...)
	p = time.Now().UTC().AppendFormat(p, http.TimeFormat)
	p = append(p, "\r\nContent-Type: "+refusal.ContentType+"\r\nVia: 1.1 "+via+"\r\nContent-Length: "...)
	p = strconv.AppendInt(p, int64(len(text)), 10)
	if status == http.StatusServiceUnavailable {
		p = append(p, "\r\nRetry-After: "+refusal.RetryAfter...)
	}
	if s.last {
		p = append(p, "\r\nConnection: close"...)
	} else if s.old {
		p = append(p, "\r\nConnection: keep-alive"...)
	}
	p = append(p, "\r\n\r\n"...)
	if !headOnly {
		p = append(p, text...)
	}
	out.b = p
	_ = s.write(p) // an error means that the client is gone
}
