package cloudwatch

import (
	"fmt"

	"github.com/fairlead/fairlead/local/gateway"
)

// code is an error's name: the service's Query names lack the ending that the
// shapes of its newer protocols have.
func code(r *gateway.Request, name string) string {
	if r.Protocol == gateway.Query {
		if name == "MissingRequiredParameter" {
			return "MissingParameter"
		}
		return name
	}
	return name + "Exception"
}

func invalid(r *gateway.Request, format string, args ...any) error {
	return &gateway.Error{Code: code(r, "InvalidParameterValue"), Message: fmt.Sprintf(format, args...), Status: 400}
}

func missing(r *gateway.Request, name string) error {
	return &gateway.Error{Code: code(r, "MissingRequiredParameter"), Message: "The parameter " + name + " is required.", Status: 400}
}
