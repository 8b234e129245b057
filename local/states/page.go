package states

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/local/gateway"
)

// paginate gives one page and the token of the next; tokens are offsets. The
// default of 100 and the limit of 1,000 are the service's.
func paginate[T any](all []T, limit int, token string) (page []T, next string, err error) {
	from := 0
	if token != "" {
		raw, err := base64.RawURLEncoding.DecodeString(token)
		text, ok := strings.CutPrefix(string(raw), "offset:")
		if err == nil && ok {
			from, err = strconv.Atoi(text)
		}
		if err != nil || !ok || from < 0 || from > len(all) {
			return nil, "", &gateway.Error{Code: "InvalidToken", Message: fmt.Sprintf("Invalid Token: '%s'", token)}
		}
	}
	if limit < 0 || limit > 1000 {
		return nil, "", &gateway.Error{Code: "ValidationException", Message: "maxResults must be from 0 to 1000"}
	}
	if limit == 0 {
		limit = 100
	}
	to := min(from+limit, len(all))
	if to < len(all) {
		next = base64.RawURLEncoding.EncodeToString([]byte("offset:" + strconv.Itoa(to)))
	}
	return all[from:to], next, nil
}

func withToken(out map[string]any, next string) map[string]any {
	if next != "" {
		out["nextToken"] = next
	}
	return out
}
