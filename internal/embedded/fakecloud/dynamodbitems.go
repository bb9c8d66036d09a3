package fakecloud

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// An eventually consistent read may show the past, which nothing here could bear.
const onlyConsistent = "the fake cloud answers consistent reads only"

var wholeNumber = regexp.MustCompile(`^(0|-?[1-9][0-9]{0,37})$`)

// checkItem refuses what a table doesn't take. keyOnly demands that nothing but the key is there.
func checkItem(item Item, keyOnly bool) *refusal {
	for _, name := range []string{"kind", "key"} {
		value, ok := item[name]
		text, isText := value["S"]
		switch {
		case !ok && !keyOnly:
			return invalid("One or more parameter values were invalid: Missing the key %s in the item", name)
		case !ok || keyOnly && len(item) != 2:
			return invalid("The provided key element does not match the schema")
		case !isText || len(value) != 1:
			return invalid("One or more parameter values were invalid: Type mismatch for key %s expected: S", name)
		case text == "":
			return invalid("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: %s", name)
		}
	}
	if len(item["kind"]["S"]) > 2048 || len(item["key"]["S"]) > 1024 {
		return invalid("One or more parameter values were invalid: Size of hashkey or rangekey has exceeded the maximum size limit")
	}
	for name, value := range item {
		text, isText := value["S"]
		number, isNumber := value["N"]
		switch {
		case len(value) != 1 || !isText && !isNumber:
			return invalid("the fake cloud knows attributes of one value, S or N; %s is neither", name)
		case isText && !utf8.ValidString(text):
			return invalid("attribute %s isn't UTF-8", name)
		case isNumber && !wholeNumber.MatchString(number):
			return invalid("The parameter cannot be converted to a numeric value: %s", number)
		}
	}
	if item.size() > maxItem {
		return invalid("Item size has exceeded the maximum allowed size")
	}
	return nil
}

// size counts as DynamoDB does: names and texts by their bytes, a number by about half of its digits and one. See
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html.
func (i Item) size() int {
	n := 0
	for name, value := range i {
		n += len(name) + len(value["S"])
		if number, ok := value["N"]; ok {
			n += (len(strings.TrimPrefix(number, "-"))+1)/2 + 1
		}
	}
	return n
}

func putItem(t *Table, in *dynamoRequest, e *expression) (answer, *refusal) {
	if in.Key != nil || in.KeyConditionExpression != "" || in.Limit != nil || in.ExclusiveStartKey != nil || in.ConsistentRead {
		return answer{}, invalid("PutItem has no such parameter")
	}
	if refused := checkItem(in.Item, false); refused != nil {
		return answer{}, refused
	}
	old := t.get(in.Item["kind"]["S"], in.Item["key"]["S"])
	holds := true
	switch {
	case e.begins != "":
		return answer{}, invalid("the fake cloud doesn't know begins_with in a condition")
	case e.absent != "":
		_, there := old[e.absent]
		holds = !there
	case e.is != "":
		holds = old != nil && old[e.is] != nil && maps.Equal(old[e.is], e.equals)
	}
	if !holds {
		failed := refuse(http.StatusBadRequest, "ConditionalCheckFailedException", "The conditional request failed")
		if old != nil && in.ReturnValuesOnConditionCheckFailure == "ALL_OLD" {
			failed.fields = map[string]any{"Item": old}
		}
		return answer{}, failed
	}
	t.set(in.Item)
	return asJSON(struct{}{}), nil
}

func getItem(t *Table, in *dynamoRequest, e *expression) (answer, *refusal) {
	switch {
	case in.Item != nil || e.is+e.absent != "" || in.Limit != nil || in.ExclusiveStartKey != nil || in.ReturnValuesOnConditionCheckFailure != "":
		return answer{}, invalid("GetItem has no such parameter")
	case !in.ConsistentRead:
		return answer{}, invalid(onlyConsistent)
	}
	if refused := checkItem(in.Key, true); refused != nil {
		return answer{}, refused
	}
	item := t.get(in.Key["kind"]["S"], in.Key["key"]["S"])
	if item == nil {
		return asJSON(struct{}{}), nil
	}
	return asJSON(map[string]any{"Item": item}), nil
}

// query answers in the order of the sort key's bytes. A page that is full says so even if nothing follows, as DynamoDB
// does.
func query(t *Table, in *dynamoRequest, e *expression) (answer, *refusal) {
	switch {
	case in.Item != nil || in.Key != nil || in.ConditionExpression != "" || in.ReturnValuesOnConditionCheckFailure != "":
		return answer{}, invalid("Query has no such parameter")
	case !in.ConsistentRead:
		return answer{}, invalid(onlyConsistent)
	case in.KeyConditionExpression == "":
		return answer{}, invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
	case e.is != "kind" || e.begins != "" && e.begins != "key":
		return answer{}, invalid("Query condition missed key schema element: kind")
	case e.equals["S"] == "" || e.begins != "" && e.beginsWith["S"] == "":
		return answer{}, invalid("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value.")
	case in.Limit != nil && *in.Limit < 1:
		return answer{}, invalid("1 validation error detected: Value at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1")
	}
	after := ""
	if in.ExclusiveStartKey != nil {
		if refused := checkItem(in.ExclusiveStartKey, true); refused != nil || in.ExclusiveStartKey["kind"]["S"] != e.equals["S"] {
			return answer{}, invalid("The provided starting key is invalid")
		}
		after = in.ExclusiveStartKey["key"]["S"]
	}
	most := t.PageSize
	if in.Limit != nil && (most == 0 || *in.Limit < most) {
		most = *in.Limit
	}
	kind := e.equals["S"]
	items, size := []Item{}, 0
	out := map[string]any{}
	for _, key := range slices.Sorted(maps.Keys(t.items[kind])) {
		if key <= after || !strings.HasPrefix(key, e.beginsWith["S"]) {
			continue
		}
		item := t.items[kind][key]
		items, size = append(items, item), size+item.size()
		if len(items) == most || size >= maxPage {
			out["LastEvaluatedKey"] = Item{"kind": item["kind"], "key": item["key"]}
			break
		}
	}
	out["Items"], out["Count"], out["ScannedCount"] = items, len(items), len(items)
	return asJSON(out), nil
}
