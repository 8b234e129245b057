package fleet

import (
	"errors"

	"github.com/aws/smithy-go"
)

// code is the service's error code, or "".
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// IsNoCapacity says that EC2 definitely started nothing, and that another zone
// may do: it has no such capacity there, or does not offer the type there.
func IsNoCapacity(err error) bool {
	switch code(err) {
	case "InsufficientInstanceCapacity", "Unsupported":
		return true
	}
	return false
}

// IsNotFound says that EC2 does not know an id: never existed, is long gone, or
// was made so recently that not every part of EC2 has heard of it.
func IsNotFound(err error) bool {
	switch code(err) {
	case "InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed":
		return true
	}
	return false
}

// IsThrottled says that the call may be repeated later, more slowly.
func IsThrottled(err error) bool {
	switch code(err) {
	case "RequestLimitExceeded", "Throttling", "ThrottlingException", "TooManyRequestsException":
		return true
	}
	return false
}

// IsQuota says that the account's own limit stands in the way; no other zone helps.
func IsQuota(err error) bool {
	switch code(err) {
	case "VcpuLimitExceeded", "InstanceLimitExceeded", "MaxSpotInstanceCountExceeded":
		return true
	}
	return false
}
