package ssm_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ssm"

	localssm "github.com/fairlead/fairlead/local/ssm"
)

// TestLooksWhileCommandsStart is for the race detector: whoever looks for
// instances refreshes what is known of them, while commands read it.
func TestLooksWhileCommandsStart(t *testing.T) {
	c := newCloud(t, agentGrants, localssm.Delays{})
	client := c.client(c.store.Operator())
	looked, done := make(chan error, 1), make(chan struct{})
	go func() {
		for {
			_, err := client.DescribeInstanceInformation(t.Context(), &ssm.DescribeInstanceInformationInput{})
			select {
			case <-done:
				looked <- err
				return
			default:
			}
			if err != nil {
				looked <- err
				return
			}
		}
	}()
	for range 10 {
		if _, err := client.SendCommand(t.Context(), c.send("ada", "0")); err != nil {
			t.Error(err)
		}
	}
	close(done)
	if err := <-looked; err != nil {
		t.Error(err)
	}
}
