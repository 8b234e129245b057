package gateway

import (
	"encoding/xml"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"
)

type shape struct {
	Name    string
	Count   *int32
	Ratio   float64
	On      bool
	At      time.Time
	Blob    []byte
	Tags    []tag `json:"Tag" xml:"tagSet"`
	Env     map[string]string
	Nested  *shape
	Numbers []int64
}

type tag struct {
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

func request(p Protocol, body string) *Request {
	r := &Request{Service: "x", Operation: "Do", Protocol: p, ID: "id-1", HTTP: httptest.NewRequest(http.MethodPost, "/", nil), Body: []byte(body)}
	r.form, _ = url.ParseQuery(body)
	return r
}

func TestDecode(t *testing.T) {
	one := int32(1)
	stamp := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	for _, test := range []struct {
		protocol Protocol
		body     string
		want     shape
		fails    string
		why      string
	}{
		{JSON, `{"Name":"a","Count":1,"Ratio":0.5,"On":true,"At":1767323045.678,"Blob":"aGk="}`, shape{Name: "a", Count: &one, Ratio: .5, On: true, At: stamp, Blob: []byte("hi")}, "", "scalars; timestamps are epoch seconds"},
		{JSON, `{"Tag":[{"Key":"k","Value":"v"}],"Env":{"A":"b"},"Nested":{"Name":"n"},"Numbers":[1,-2]}`, shape{Tags: []tag{{"k", "v"}}, Env: map[string]string{"A": "b"}, Nested: &shape{Name: "n"}, Numbers: []int64{1, -2}}, "", "lists, maps and structures"},
		{JSON, `{"Count":null}`, shape{}, "", "null is absence"},
		{JSON, ``, shape{}, "", "no body is the empty input"},
		{JSON, `{"Nested":{"Nested":{"Colour":1}}}`, shape{}, `"Nested.Nested.Colour" of x:Do`, "an unknown member, with its place"},
		{JSON, `{"name":"a"}`, shape{}, `"name"`, "names have a case"},
		{JSON, `{"Name":1}`, shape{}, `"Name" is not a string`, "a number for text"},
		{JSON, `{"Count":"1"}`, shape{}, `"Count" is not a number`, "text for a number"},
		{JSON, `{"Count":1.5}`, shape{}, `"Count"`, "half a count"},
		{JSON, `{"Count":2147483648}`, shape{}, `"Count"`, "more than 32 bits"},
		{JSON, `{"Numbers":[1,"x"]}`, shape{}, `"Numbers[1]"`, "the item is named"},
		{JSON, `{"Blob":"?"}`, shape{}, `"Blob" is not base64`, "a blob"},
		{JSON, `[]`, shape{}, "not a structure", "a list for the input"},
		{JSON, `{} {}`, shape{}, "after the JSON", "two values"},
		{JSON, `{"Name":`, shape{}, "not JSON", "cut off"},
		{EC2Query, `Action=Do&Version=1&Name=a&Count=1&On=true&Ratio=0.5&At=2026-01-02T03%3A04%3A05.678Z&Blob=aGk%3D`, shape{Name: "a", Count: &one, Ratio: .5, On: true, At: stamp, Blob: []byte("hi")}, "", "all is text in a form"},
		{EC2Query, `Tag.1.Key=k&Tag.1.Value=v&Tag.2.Key=k2&Numbers.10=10&Numbers.9=9`, shape{Tags: []tag{{"k", "v"}, {Key: "k2"}}, Numbers: []int64{9, 10}}, "", "EC2's lists, in the order of numbers, not of text"},
		{Query, `Tag.member.1.Key=k&Env.entry.1.key=A&Env.entry.1.value=b&Nested.Name=n`, shape{Tags: []tag{{Key: "k"}}, Env: map[string]string{"A": "b"}, Nested: &shape{Name: "n"}}, "", "Query's lists and maps"},
		{Query, `Tag=`, shape{Tags: []tag{}}, "", "an empty list is the bare name"},
		{EC2Query, `Tag.1.Colour=k`, shape{}, `"Tag[0].Colour"`, "an unknown member of an item"},
		{EC2Query, `DryRun=true`, shape{}, `"DryRun"`, "an unknown parameter"},
		{EC2Query, `Tag.x.Key=k`, shape{}, "Tag.x is not an item", "an item without a number"},
		{EC2Query, `Name.1=k`, shape{}, `"Name" has no parts`, "a list for text"},
		{EC2Query, `Tag=x&Tag.1.Key=k`, shape{}, `"Tag" has a value and parts`, "a value beside a list"},
		{EC2Query, `Nested=x&Nested.Name=k`, shape{}, `"Nested" has a value and parts`, "and beside a structure"},
		{EC2Query, `X-Amz-Tagging=x`, shape{}, `"X-Amz-Tagging"`, "no part of a signature"},
		{EC2Query, `Numbers=1`, shape{}, "Numbers.1", "text for a list"},
		{EC2Query, `Name=a&Name=b`, shape{}, "2 times", "twice the same"},
		{EC2Query, strings.Repeat("a.", 100000) + `=1`, shape{}, "too many parts", "hostile depth"},
	} {
		var got shape
		err := request(test.protocol, test.body).Decode(&got)
		if test.fails != "" {
			var e *Error
			if !errors.As(err, &e) || !strings.Contains(e.Message, test.fails) {
				t.Errorf("%s: error %v, want %q", test.why, err, test.fails)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %+v, %v; want %+v", test.why, got, err, test.want)
		}
	}
}

func TestOutputs(t *testing.T) {
	two := int32(2)
	out := struct {
		Name   string    `json:"Name" xml:"name"`
		Count  *int32    `xml:"count"`
		Absent *int32    `xml:"absent"`
		Never  time.Time `xml:"never"`
		At     time.Time `xml:"at"`
		Items  []tag     `xml:"itemSet"`
		None   []string  `json:",omitempty" xml:"none"`
		Blob   []byte    `xml:"blob"`
	}{Name: "<a>", Count: &two, At: time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC), Items: []tag{{"k", "v"}}, Blob: []byte("hi")}
	for _, test := range []struct {
		protocol Protocol
		body     string
		out      any
		want     string
	}{
		{JSON, "", out, `{"At":1767323045.678,"Blob":"aGk=","Count":2,"Items":[{"Key":"k","Value":"v"}],"Name":"\u003ca\u003e"}`},
		{JSON, "", nil, `{}`},
		{JSON, "", struct{ L []string }{}, `{"L":[]}`},
		{EC2Query, "Version=2016-11-15", out, xml.Header + `<DoResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>id-1</requestId><name>&lt;a&gt;</name><count>2</count><at>2026-01-02T03:04:05.678Z</at><itemSet><item><key>k</key><value>v</value></item></itemSet><blob>aGk=</blob></DoResponse>`},
		{EC2Query, "Version=1", nil, xml.Header + `<DoResponse xmlns="http://ec2.amazonaws.com/doc/1/"><requestId>id-1</requestId><return>true</return></DoResponse>`},
		{Query, "Version=1", struct{ Names []string }{[]string{"a"}}, `<DoResponse xmlns="https://x.amazonaws.com/doc/1/"><DoResult><Names><member>a</member></Names></DoResult><ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></DoResponse>`},
		{Query, "", struct{ M map[string]int }{map[string]int{"b": 2, "a": 1}}, `<DoResponse xmlns="https://x.amazonaws.com/doc//"><DoResult><M><entry><key>a</key><value>1</value></entry><entry><key>b</key><value>2</value></entry></M></DoResult><ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></DoResponse>`},
	} {
		w := httptest.NewRecorder()
		WriteOutput(w, request(test.protocol, test.body), test.out)
		if w.Code != http.StatusOK || w.Body.String() != test.want || w.Header().Get("X-Amzn-Requestid") != "id-1" {
			t.Errorf("%s: %d\n got %s\nwant %s", test.protocol, w.Code, w.Body, test.want)
		}
	}
}

func TestErrorsInEachProtocol(t *testing.T) {
	for _, test := range []struct {
		protocol Protocol
		service  string
		want     string
	}{
		{JSON, "states", `{"__type":"Gone","message":"no \u0026 no"}`},
		{REST, "lambda", `{"Message":"no \u0026 no","Type":"User"}`},
		{REST, "s3", xml.Header + `<Error><Code>Gone</Code><Message>no &amp; no</Message><Resource>/</Resource><RequestId>id-1</RequestId></Error>`},
		{EC2Query, "ec2", xml.Header + `<Response><Errors><Error><Code>Gone</Code><Message>no &amp; no</Message></Error></Errors><RequestID>id-1</RequestID></Response>`},
		{Query, "sts", `<ErrorResponse><Error><Type>Sender</Type><Code>Gone</Code><Message>no &amp; no</Message></Error><RequestId>id-1</RequestId></ErrorResponse>`},
	} {
		r := request(test.protocol, "")
		r.Service = test.service
		w := httptest.NewRecorder()
		WriteError(w, r, &Error{Code: "Gone", Message: "no & no", Status: http.StatusGone})
		if w.Code != http.StatusGone || w.Body.String() != test.want {
			t.Errorf("%s: %d\n got %s\nwant %s", test.service, w.Code, w.Body, test.want)
		}
		w = httptest.NewRecorder()
		WriteError(w, r, errors.New("disk full"))
		if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), "disk full") {
			t.Errorf("%s: an internal failure is %d %s", test.service, w.Code, w.Body)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("json", `{"Name":"a","Tag":[{}],"At":1e300}`)
	f.Add("ec2query", "Tag.1.Key=k&Env.entry.1.key=x&Numbers.99999999999999999999=1")
	f.Add("cbor", "\xa1\x64Name\x61x")
	f.Fuzz(func(t *testing.T, protocol, body string) {
		var got shape
		err := request(Protocol(protocol), body).Decode(&got)
		// What was accepted can be said again.
		if err == nil {
			if _, err := jsonOf(reflect.ValueOf(got)); err != nil && !strings.Contains(err.Error(), "NaN") && !strings.Contains(err.Error(), "infinite") {
				t.Errorf("%q: %v", body, err)
			}
		}
	})
}
