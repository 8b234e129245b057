package cfn

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// suffix is what CloudFormation appends to a generated name, n characters. It
// is drawn from the stack and the resource rather than at random, so that the
// same stack finds its bucket again after a restart.
func (c Creation) suffix(n int) string {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	sum := sha256.Sum256([]byte(c.StackID + "\x00" + c.LogicalID))
	out := make([]byte, n)
	for i := range out {
		out[i] = alphabet[int(sum[i])%len(alphabet)]
	}
	return string(out)
}

// name is a generated physical name, Stack-LogicalId-Suffix, cut to limit
// characters where it is longer.
func (c Creation) name(limit int) string {
	const tail = 12
	room := limit - tail - 2
	stack, logical := c.StackName, c.LogicalID
	if len(stack)+len(logical) > room {
		half := room / 2
		stack = stack[:min(len(stack), max(half, room-len(logical)))]
		logical = logical[:min(len(logical), room-len(stack))]
	}
	return fmt.Sprintf("%s-%s-%s", strings.TrimRight(stack, "-"), logical, c.suffix(tail))
}

// id is an EC2-like id: prefix-0123456789abcdef0.
func (c Creation) id(prefix string) string {
	sum := sha256.Sum256([]byte(c.StackID + "\x00" + c.LogicalID))
	return prefix + "-" + hex.EncodeToString(sum[:])[:17]
}

// stackID is the stack's ARN. Its last part is drawn from the rest.
func stackID(region, account, name string) string {
	prefix := fmt.Sprintf("arn:aws:cloudformation:%s:%s:stack/%s/", region, account, name)
	h := hex.EncodeToString(sum([]byte(prefix)))
	return prefix + fmt.Sprintf("%s-%s-%s-%s-%s", h[:8], h[8:12], h[12:16], h[16:20], h[20:32])
}

func sum(b []byte) []byte {
	s := sha256.Sum256(b)
	return s[:]
}
