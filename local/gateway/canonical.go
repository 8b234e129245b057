package gateway

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// canonicalRequest is the text that a signature is made of (IAM User Guide,
// "Create a signed AWS API request").
func canonicalRequest(hr *http.Request, s signature) string {
	var b strings.Builder
	b.WriteString(hr.Method + "\n")
	b.WriteString(canonicalPath(hr, s.service) + "\n")
	b.WriteString(canonicalQuery(hr.URL.RawQuery) + "\n")
	for _, name := range s.headers {
		b.WriteString(name + ":" + headerValue(hr, name) + "\n")
	}
	b.WriteString("\n" + strings.Join(s.headers, ";") + "\n" + s.payload)
	return b.String()
}

// canonicalPath encodes S3's path once, and every other service's path as it
// is on the wire (encoded) once more.
func canonicalPath(hr *http.Request, service string) string {
	path := hr.URL.Path
	if service != "s3" {
		path = hr.URL.EscapedPath()
	}
	if path == "" {
		return "/"
	}
	return uriEncode(path, true)
}

func canonicalQuery(raw string) string {
	var pairs [][2]string
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, value = decodeQuery(name), decodeQuery(value)
		if name == "X-Amz-Signature" {
			continue
		}
		pairs = append(pairs, [2]string{uriEncode(name, false), uriEncode(value, false)})
	}
	slices.SortFunc(pairs, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	lines := make([]string, len(pairs))
	for i, p := range pairs {
		lines[i] = p[0] + "=" + p[1]
	}
	return strings.Join(lines, "&")
}

func decodeQuery(text string) string {
	if decoded, err := url.QueryUnescape(text); err == nil {
		return decoded
	}
	return text
}

// uriEncode escapes all but A-Z a-z 0-9 - . _ ~, and the slash if kept.
func uriEncode(text string, keepSlash bool) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', strings.IndexByte("-._~", c) >= 0, c == '/' && keepSlash:
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
		}
	}
	return b.String()
}

// headerValue is a header as signed. Go's server moves some out of the map.
func headerValue(hr *http.Request, name string) string {
	switch name {
	case "host":
		return hr.Host
	case "content-length":
		return strconv.FormatInt(hr.ContentLength, 10)
	case "transfer-encoding":
		return strings.Join(hr.TransferEncoding, ",")
	}
	values := slices.Clone(hr.Header.Values(name))
	for i, v := range values {
		values[i] = strings.Join(strings.Fields(v), " ")
	}
	return strings.Join(values, ",")
}
