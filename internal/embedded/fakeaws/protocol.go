package fakeaws

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// apiError is an error as AWS answers it.
type apiError struct {
	status  int
	code    string
	message string
	// header is sent beside.
	header map[string]string
	// body is sent instead of the protocol's own form, where set.
	body []byte
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

// refuse makes the error that AWS answers with.
func refuse(status int, code, format string, args ...any) *apiError {
	return &apiError{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

// response is an answer that isn't 200 with the protocol's usual body.
type response struct {
	status int
	header map[string]string
	// body is encoded as the protocol does; raw is sent as it is, where not nil.
	body any
	raw  []byte
}

// list is an XML list as the query protocol writes it; an empty one is still an element.
type list[T any] struct {
	Member []T `xml:"member"`
}

func listOf[T any](items []T) list[T] { return list[T]{Member: items} }

// stamp is a time as AWS's XML writes it.
type stamp time.Time

// MarshalText writes whole seconds in UTC.
func (s stamp) MarshalText() ([]byte, error) {
	return []byte(time.Time(s).UTC().Format("2006-01-02T15:04:05Z")), nil
}

func stampOf(t time.Time) *stamp {
	if t.IsZero() {
		return nil
	}
	s := stamp(t)
	return &s
}

// epoch is a time as AWS's JSON protocols write it: seconds, with a fraction.
func epoch(t time.Time) json.Number {
	return json.Number(strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', -1, 64))
}

func itoa(i int) string { return strconv.Itoa(i) }

// encoded is an answer ready to be sent.
type encoded struct {
	status int
	header http.Header
	body   []byte
}

func encodeResult(s *service, action, requestID string, result any) (encoded, error) {
	out := encoded{status: http.StatusOK, header: http.Header{}}
	if r, ok := result.(*response); ok {
		if r.status != 0 {
			out.status = r.status
		}
		for k, v := range r.header {
			out.header.Set(k, v)
		}
		result = r.body
		if r.raw != nil {
			out.header.Set("X-Amzn-Requestid", requestID)
			out.body = r.raw
			return out, nil
		}
	}
	switch s.protocol {
	case queryXML:
		return out, encodeQuery(&out, s, action, requestID, result)
	case restXML:
		out.header.Set("Content-Type", "application/xml")
		out.header.Set("X-Amz-Request-Id", requestID)
		if result == nil {
			return out, nil
		}
		data, err := xml.Marshal(result)
		if err != nil {
			return out, fmt.Errorf("encoding the answer of %s: %w", action, err)
		}
		out.body = append([]byte(xml.Header), data...)
	default:
		out.header.Set("Content-Type", jsonType(s.protocol))
		out.header.Set("X-Amzn-Requestid", requestID)
		if result == nil {
			result = struct{}{}
		}
		data, err := json.Marshal(result)
		if err != nil {
			return out, fmt.Errorf("encoding the answer of %s: %w", action, err)
		}
		out.body = data
	}
	return out, nil
}

func encodeQuery(out *encoded, s *service, action, requestID string, result any) error {
	out.header.Set("Content-Type", "text/xml")
	out.header.Set("X-Amzn-Requestid", requestID)
	var b bytes.Buffer
	fmt.Fprintf(&b, "<%sResponse xmlns=%q>\n", action, s.namespace)
	if result != nil {
		e := xml.NewEncoder(&b)
		if err := e.EncodeElement(result, xml.StartElement{Name: xml.Name{Local: action + "Result"}}); err != nil {
			return fmt.Errorf("encoding the answer of %s: %w", action, err)
		}
	}
	fmt.Fprintf(&b, "<ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata></%sResponse>\n", requestID, action)
	out.body = b.Bytes()
	return nil
}

func jsonType(p protocol) string {
	switch p {
	case json10:
		return "application/x-amz-json-1.0"
	case json11:
		return "application/x-amz-json-1.1"
	default:
		return "application/json"
	}
}

func encodeError(p protocol, namespace, requestID string, e *apiError) encoded {
	out := encoded{status: e.status, header: http.Header{}, body: e.body}
	for k, v := range e.header {
		out.header.Set(k, v)
	}
	switch p {
	case queryXML:
		out.header.Set("Content-Type", "text/xml")
		out.header.Set("X-Amzn-Requestid", requestID)
		kind := "Sender"
		if e.status >= 500 {
			kind = "Receiver"
		}
		if out.body == nil {
			out.body = fmt.Appendf(nil, "<ErrorResponse xmlns=%q><Error><Type>%s</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>%s</RequestId></ErrorResponse>\n",
				namespace, kind, escape(e.code), escape(e.message), requestID)
		}
	case restXML:
		out.header.Set("Content-Type", "application/xml")
		out.header.Set("X-Amz-Request-Id", requestID)
		if out.body == nil {
			out.body = fmt.Appendf(nil, "%s<Error><Code>%s</Code><Message>%s</Message><RequestId>%s</RequestId></Error>", xml.Header, escape(e.code), escape(e.message), requestID)
		}
	default:
		out.header.Set("Content-Type", jsonType(p))
		out.header.Set("X-Amzn-Requestid", requestID)
		out.header.Set("X-Amzn-Errortype", e.code)
		if out.body == nil {
			// Strings alone can't fail to encode.
			out.body, _ = json.Marshal(map[string]string{"__type": e.code, "message": e.message})
		}
	}
	return out
}

func escape(s string) string {
	var b bytes.Buffer
	// A bytes.Buffer takes every write.
	_ = xml.EscapeText(&b, []byte(s))
	return b.String()
}
