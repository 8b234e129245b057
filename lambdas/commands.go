package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/fairlead/fairlead/internal/steps"
)

// commandTime is the deadline of one call; deliverySeconds is how long a
// command may wait for its agent (SendCommand's TimeoutSeconds, at least 30).
const (
	commandTime     = 15 * time.Second
	deliverySeconds = 60
)

// commands is Systems Manager as the steps see it.
type commands struct{ api *ssm.Client }

var _ steps.Commands = commands{}

func (c commands) Online(ctx context.Context, ids []string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	var online []string
	pages := ssm.NewDescribeInstanceInformationPaginator(c.api, &ssm.DescribeInstanceInformationInput{
		Filters: []types.InstanceInformationStringFilter{{Key: aws.String("InstanceIds"), Values: ids}},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if unregistered := new(types.InvalidInstanceId); errors.As(err, &unregistered) {
			// Documented for instances without a registered agent (Systems Manager
			// API reference, DescribeInstanceInformation, "Errors"): they boot.
			return online, nil
		}
		if err != nil {
			return nil, fmt.Errorf("ask Systems Manager who is online: %w", err)
		}
		for _, i := range page.InstanceInformationList {
			if i.PingStatus == types.PingStatusOnline {
				online = append(online, aws.ToString(i.InstanceId))
			}
		}
	}
	return online, nil
}

func (c commands) Send(ctx context.Context, command steps.Command) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	parameters := map[string][]string{}
	for k, v := range command.Parameters {
		parameters[k] = []string{v}
	}
	out, err := c.api.SendCommand(ctx, &ssm.SendCommandInput{
		DocumentName:   &command.Document,
		InstanceIds:    []string{command.Instance},
		Parameters:     parameters,
		TimeoutSeconds: aws.Int32(deliverySeconds),
	})
	if err != nil {
		if unregistered := new(types.InvalidInstanceId); errors.As(err, &unregistered) {
			return "", fmt.Errorf("%w: %w", steps.ErrNotYet, err)
		}
		return "", err
	}
	return aws.ToString(out.Command.CommandId), nil
}

func (c commands) Result(ctx context.Context, commandID, instance string) (steps.CommandResult, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	out, err := c.api.GetCommandInvocation(ctx, &ssm.GetCommandInvocationInput{CommandId: &commandID, InstanceId: &instance})
	if err != nil {
		if early := new(types.InvocationDoesNotExist); errors.As(err, &early) {
			return steps.CommandResult{}, fmt.Errorf("%w: %w", steps.ErrNotYet, err)
		}
		return steps.CommandResult{}, err
	}
	return steps.CommandResult{
		Status: string(out.Status), Detail: aws.ToString(out.StatusDetails), Stderr: aws.ToString(out.StandardErrorContent),
	}, nil
}
