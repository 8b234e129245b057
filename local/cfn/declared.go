package cfn

import (
	"context"
	"fmt"
)

// This file is what a template may declare without local effect.

type logGroupProperties struct {
	LogGroupName    string
	RetentionInDays any
	Tags            []Tag
}

type alarmProperties struct {
	AlarmName, AlarmDescription, Namespace, MetricName, Statistic, ExtendedStatistic                                            any
	Dimensions, Period, EvaluationPeriods, DatapointsToAlarm, Threshold                                                         any
	ComparisonOperator, TreatMissingData, Unit, Metrics, ActionsEnabled, AlarmActions, OKActions, InsufficientDataActions, Tags any
}

type dashboardProperties struct{ DashboardName, DashboardBody, Tags any }

type internetGatewayProperties struct{ Tags any }

type gatewayAttachmentProperties struct{ InternetGatewayId, VpcId any }

type routeTableProperties struct{ Tags, VpcId any }

type routeProperties struct{ DestinationCidrBlock, GatewayId, RouteTableId any }

type associationProperties struct{ RouteTableId, SubnetId any }

type flowLogProperties struct {
	DeliverLogsPermissionArn, DestinationOptions, LogDestination, LogDestinationType, LogFormat, LogGroupName any
	MaxAggregationInterval, ResourceId, ResourceType, TrafficType, Tags                                       any
}

type endpointProperties struct {
	RouteTableIds, ServiceName, Tags, VpcEndpointType, VpcId any // a PolicyDocument would have to be evaluated
}

func declaredTypes(s Lambda, region, account string) map[string]Type {
	const network = "instances and functions share this machine's network, in which all of them reach each other and the local cloud"
	return map[string]Type{
		"AWS::EC2::InternetGateway":             declared[internetGatewayProperties](network, "igw"),
		"AWS::EC2::VPCGatewayAttachment":        declared[gatewayAttachmentProperties](network, "igw-attach"),
		"AWS::EC2::RouteTable":                  declared[routeTableProperties](network, "rtb"),
		"AWS::EC2::Route":                       declared[routeProperties](network, "r"),
		"AWS::EC2::SubnetRouteTableAssociation": declared[associationProperties](network, "rtbassoc"),
		"AWS::EC2::VPCEndpoint":                 declared[endpointProperties](network, "vpce"),
		"AWS::EC2::FlowLog":                     declared[flowLogProperties]("packets between addresses of this machine are not recorded", "fl", "Id"),
		"AWS::CloudWatch::Alarm":                declared[alarmProperties]("metrics are kept, but no alarm watches them", "alarm", "Arn"),
		"AWS::CloudWatch::Dashboard":            declared[dashboardProperties]("there is no console here", "dashboard"),
		"AWS::Logs::LogGroup": define(Type{
			Attributes: []string{"Arn"},
			NoEffect:   "its name is known, so that functions need not create it; their logs are files of the local cloud",
		},
			func(_ context.Context, c Creation, p logGroupProperties) (Physical, error) {
				name := p.LogGroupName
				if name == "" {
					name = c.name(512)
				}
				s.AddLogGroup(name)
				arn := fmt.Sprintf("arn:aws:logs:%s:%s:log-group:%s:*", region, account, name)
				return Physical{ID: name, Attributes: map[string]any{"Arn": arn}}, nil
			},
			func(_ context.Context, made Physical) error {
				s.RemoveLogGroup(made.ID)
				return nil
			}),
	}
}
