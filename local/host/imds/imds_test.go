package imds

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/local/iam"
)

// TestCredentialsRotate: EC2 gives the same credentials until their time has
// come, however often they are asked for. Each look opened a session of its own.
func TestCredentialsRotate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opened := 0
		s := New(func() Instance { return Instance{ID: "i-1", RoleARN: "arn:aws:iam::0:role/node"} }, func(_, _ string) (iam.Credentials, error) {
			opened++
			return iam.Credentials{AccessKeyID: strconv.Itoa(opened), Expires: time.Now().Add(6 * time.Hour)}, nil
		})
		for _, test := range []struct {
			after time.Duration
			want  string
		}{{0, "1"}, {time.Hour, "1"}, {3 * time.Hour, "2"}, {time.Minute, "2"}} {
			time.Sleep(test.after)
			token := httptest.NewRecorder()
			ask := httptest.NewRequest(http.MethodPut, "/latest/api/token", nil)
			ask.Header.Set(ttlHeader, "60")
			s.ServeHTTP(token, ask)
			get := httptest.NewRequest(http.MethodGet, "/latest/meta-data/iam/security-credentials/node", nil)
			get.Header.Set(tokenHeader, token.Body.String())
			answer := httptest.NewRecorder()
			s.ServeHTTP(answer, get)
			var keys struct{ AccessKeyId string }
			if err := json.Unmarshal(answer.Body.Bytes(), &keys); err != nil || keys.AccessKeyId != test.want {
				t.Errorf("after %v more: %q (%v), want %q", test.after, keys.AccessKeyId, err, test.want)
			}
		}
	})
}
