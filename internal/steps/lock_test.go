package steps

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

func (m *memory) GetVersion(ctx context.Context, key string) ([]byte, string, error) {
	body, err := m.Get(ctx, key)
	if err != nil {
		return nil, "", err
	}
	return body, version(body), nil
}

// version is a hash of the content, as S3's ETag is.
func version(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:8])
}

func (m *memory) PutIfVersion(_ context.Context, key, was string, body []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail["put "+key]; err != nil {
		return err
	}
	if m.conflicts[key] > 0 {
		m.conflicts[key]--
		return ErrConflict
	}
	now, ok := m.objects[key]
	if !ok || version(now) != was {
		return fmt.Errorf("%w: %s", ErrChanged, key)
	}
	m.objects[key] = append([]byte{}, body...)
	if m.lost[key] {
		m.lost[key] = false
		return ErrChanged
	}
	return nil
}
