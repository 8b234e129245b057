package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/local/iam"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	timeFormat = "20060102T150405Z"
	maxSkew    = 15 * time.Minute
)

// signature is what a request says about how it was signed (IAM User Guide,
// "AWS Signature Version 4 for API requests").
type signature struct {
	accessKey, date, region, service string // the credential scope
	headers                          []string
	value                            string
	time                             time.Time
	token                            string
	presigned                        bool
	expires                          time.Duration // of a presigned request
	payload                          string        // the payload's hash or its stand-in; empty: the body is to be hashed
}

func (s signature) scope() string {
	return s.date + "/" + s.region + "/" + s.service + "/aws4_request"
}

// parseSignature reads the Authorization header or the presigned query. The
// scope is filled in as far as it could be read, also when an error comes.
func parseSignature(hr *http.Request) (signature, error) {
	var s signature
	query := hr.URL.Query()
	fields := map[string]string{}
	var date string
	if text := hr.Header.Get("Authorization"); text != "" {
		name, rest, _ := strings.Cut(text, " ")
		if name != algorithm {
			return s, incomplete("the local cloud does not verify the signature algorithm %q, only %s", name, algorithm)
		}
		for part := range strings.SplitSeq(rest, ",") {
			k, v, _ := strings.Cut(strings.TrimSpace(part), "=")
			fields[k] = v
		}
		date, s.token = hr.Header.Get("X-Amz-Date"), hr.Header.Get("X-Amz-Security-Token")
		s.payload = hr.Header.Get("X-Amz-Content-Sha256")
	} else if name := query.Get("X-Amz-Algorithm"); name != "" {
		if name != algorithm {
			return s, incomplete("the local cloud does not verify the signature algorithm %q, only %s", name, algorithm)
		}
		s.presigned = true
		fields["Credential"], fields["SignedHeaders"], fields["Signature"] = query.Get("X-Amz-Credential"), query.Get("X-Amz-SignedHeaders"), query.Get("X-Amz-Signature")
		date, s.token = query.Get("X-Amz-Date"), query.Get("X-Amz-Security-Token")
		s.payload = query.Get("X-Amz-Content-Sha256")
		if header := hr.Header.Get("X-Amz-Content-Sha256"); header != "" {
			s.payload = header
		}
	} else {
		return s, errUnsigned
	}
	scope := strings.Split(fields["Credential"], "/")
	if n := len(scope); n >= 5 && scope[n-1] == "aws4_request" {
		s.accessKey, s.date, s.region, s.service = strings.Join(scope[:n-4], "/"), scope[n-4], scope[n-3], scope[n-2]
	} else {
		return s, incomplete("the Credential %q is not of the form key/date/region/service/aws4_request", fields["Credential"])
	}
	for _, name := range []string{"SignedHeaders", "Signature"} {
		if fields[name] == "" {
			return s, incomplete("the signature has no %s", name)
		}
	}
	s.headers, s.value = strings.Split(fields["SignedHeaders"], ";"), fields["Signature"]
	var err error
	if s.time, err = time.Parse(timeFormat, date); err != nil {
		return s, incomplete("the request has no valid X-Amz-Date")
	}
	if !strings.HasPrefix(date, s.date) {
		return s, incomplete("the date %s of the credential scope is not that of X-Amz-Date %s", s.date, date)
	}
	if s.presigned {
		seconds, err := strconv.Atoi(query.Get("X-Amz-Expires"))
		if err != nil || seconds < 1 || seconds > 604800 {
			return s, &Error{Code: "AuthorizationQueryParametersError", Message: "X-Amz-Expires must be 1 to 604800 seconds"}
		}
		s.expires = time.Duration(seconds) * time.Second
		if s.payload == "" && s.service == "s3" {
			s.payload = unsignedPayload
		}
	}
	if s.payload == "" && s.service == "s3" {
		return s, &Error{Code: "InvalidRequest", Message: "Missing required header for this request: x-amz-content-sha256"}
	}
	return s, nil
}

// SignatureParameter says whether a query parameter is part of a presigned
// request's signature. Any other X-Amz-… parameter is a header that the signer
// moved into the URL, and means what that header means.
func SignatureParameter(name string) bool {
	switch name {
	case "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Security-Token", "X-Amz-Content-Sha256":
		return true
	}
	return false
}

// errUnsigned becomes an error in the caller's protocol, once that is known.
var errUnsigned = errors.New("the request is not signed")

func incomplete(format string, args ...any) *Error {
	return &Error{Code: "IncompleteSignature", Message: fmt.Sprintf(format, args...)}
}

// verify compares the signature with our own and finds out whose it is.
func (g *Gateway) verify(r *Request, s signature) (iam.Credentials, iam.Caller, error) {
	nobody := func(err error) (iam.Credentials, iam.Caller, error) { return iam.Credentials{}, iam.Caller{}, err }
	credentials, caller, ok := g.store.Lookup(s.accessKey)
	switch {
	case !ok:
		return nobody(r.fail(codeUnknownKey, http.StatusForbidden, "The security token included in the request is invalid: the local cloud does not know the access key %s.", s.accessKey))
	case subtle.ConstantTimeCompare([]byte(s.token), []byte(credentials.SessionToken)) != 1:
		return nobody(r.fail(codeUnknownKey, http.StatusForbidden, "The security token included in the request is invalid."))
	}
	now := g.now()
	if !credentials.Expires.IsZero() && now.After(credentials.Expires) {
		return nobody(r.fail(codeExpiredToken, http.StatusForbidden, "The security token included in the request is expired"))
	}
	if s.region != g.region {
		return nobody(r.fail(codeBadSignature, http.StatusForbidden, "Credential should be scoped to a valid region: the local cloud is %s, not %s.", g.region, s.region))
	}
	if s.presigned && (now.After(s.time.Add(s.expires)) || s.time.Sub(now) > maxSkew) {
		return nobody(r.fail(codeAccessDenied, http.StatusForbidden, "Request has expired"))
	}
	if !s.presigned && now.Sub(s.time).Abs() > maxSkew {
		return nobody(r.fail(codeSkew, http.StatusForbidden, "Signature expired or not yet current: the difference between the request time %s and the current time is more than 15 minutes.", s.time.Format(timeFormat)))
	}
	// S3 refuses amz headers that the signature leaves out ("headers present in
	// the request which were not signed"); a host is always signed.
	if !slices.Contains(s.headers, "host") {
		return nobody(r.fail(codeBadSignature, http.StatusForbidden, "The signature does not cover the header host."))
	}
	for name := range r.HTTP.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") && !slices.Contains(s.headers, lower) {
			return nobody(r.fail(codeAccessDenied, http.StatusForbidden, "There were headers present in the request which were not signed: %s", lower))
		}
	}
	if s.payload == "" {
		body, err := bufferBody(r.HTTP)
		if err != nil {
			return nobody(err)
		}
		s.payload = hexSHA256(body)
	}
	toSign := strings.Join([]string{algorithm, s.time.Format(timeFormat), s.scope(), hexSHA256([]byte(canonicalRequest(r.HTTP, s)))}, "\n")
	if want := hex.EncodeToString(hmacSHA256(signingKey(credentials, s), toSign)); !hmac.Equal([]byte(want), []byte(s.value)) {
		return nobody(r.fail(codeBadSignature, http.StatusForbidden, "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method."))
	}
	return credentials, caller, nil
}

func signingKey(c iam.Credentials, s signature) []byte {
	key := []byte("AWS4" + c.SecretAccessKey)
	for _, part := range []string{s.date, s.region, s.service, "aws4_request"} {
		key = hmacSHA256(key, part)
	}
	return key
}

func hmacSHA256(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func hexSHA256(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
