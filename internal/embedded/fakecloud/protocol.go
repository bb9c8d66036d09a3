package fakecloud

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
)

// refusal is an error as AWS answers it.
type refusal struct {
	status        int
	code, message string
	// fields stand beside code and message in a JSON error.
	fields map[string]any
	header http.Header
}

func refuse(status int, code, format string, args ...any) *refusal {
	return &refusal{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

// answer is what goes over the wire.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// decode reads a JSON request. A parameter that the cloud doesn't know is an error: ignoring it could hide that AWS would
// have done something else.
func decode(body []byte, into any) *refusal {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return refuse(http.StatusBadRequest, "ValidationException", "the fake cloud can't read the request: %s", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return refuse(http.StatusBadRequest, "SerializationException", "there is something after the request")
	}
	return nil
}

// asJSON is a successful answer; a value that can't be encoded is a defect of this package.
func asJSON(v any) answer {
	b, err := json.Marshal(v)
	if err != nil {
		panic("encoding an answer: " + err.Error())
	}
	return answer{body: b}
}

func asXML(v any) answer {
	b, err := xml.Marshal(v)
	if err != nil {
		panic("encoding an answer: " + err.Error())
	}
	return answer{body: append([]byte(xml.Header), b...)}
}

var contentTypes = map[string]string{
	"s3": "application/xml", "dynamodb": "application/x-amz-json-1.0", "kms": "application/x-amz-json-1.1",
	"events": "application/x-amz-json-1.1", "ses": "application/json", "sns": "text/xml",
}

// finish adds what every answer of the service has.
func finish(service, id string, a answer) answer {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	if a.header == nil {
		a.header = http.Header{}
	}
	if a.header.Get("Content-Type") == "" && len(a.body) > 0 {
		t, ok := contentTypes[service]
		if !ok {
			t = "application/json"
		}
		a.header.Set("Content-Type", t)
	}
	switch service {
	case "s3":
		a.header.Set("X-Amz-Request-Id", id)
	case "dynamodb":
		a.header.Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(a.body)), 10))
		fallthrough
	default:
		a.header.Set("X-Amzn-Requestid", id)
	}
	return a
}

// encode writes a refusal as the service's protocol does.
func (r *refusal) encode(service, id string) answer {
	a := answer{status: r.status, header: http.Header{}}
	for k, v := range r.header {
		a.header[k] = v
	}
	switch service {
	case "s3":
		a.body = fmt.Appendf(nil, "%s<Error><Code>%s</Code><Message>%s</Message><RequestId>%s</RequestId></Error>", xml.Header, escape(r.code), escape(r.message), id)
	case "sns":
		kind := "Sender"
		if r.status >= http.StatusInternalServerError {
			kind = "Receiver"
		}
		a.body = fmt.Appendf(nil, "<ErrorResponse xmlns=%q><Error><Type>%s</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>%s</RequestId></ErrorResponse>",
			snsNamespace, kind, escape(r.code), escape(r.message), id)
	case "ses":
		a.header.Set("X-Amzn-Errortype", r.code)
		a.body = asJSON(map[string]string{"message": r.message}).body
	default:
		fields := map[string]any{"__type": r.code, "message": r.message}
		if service == "dynamodb" {
			fields["__type"] = "com.amazonaws.dynamodb.v20120810#" + r.code
		}
		for k, v := range r.fields {
			fields[k] = v
		}
		a.body = asJSON(fields).body
	}
	return a
}

func escape(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a bytes.Buffer takes every write
	return b.String()
}
