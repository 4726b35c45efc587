package memory

import (
	"net/netip"
	"reflect"
	"time"
)

var (
	timeType = reflect.TypeFor[time.Time]()
	addrType = reflect.TypeFor[netip.Addr]()
)

// own makes what v refers to a copy of its own, cuts its times to the
// microsecond, as every store does, and returns the bytes that v takes, with
// what it refers to. It walks any record, so that a new field needs no line
// here.
func own(v reflect.Value) int64 {
	return int64(v.Type().Size()) + refers(v)
}

// refers returns the bytes that v takes outside of itself.
func refers(v reflect.Value) (n int64) {
	switch v.Kind() {
	case reflect.String:
		return int64(v.Len())
	case reflect.Struct:
		switch v.Type() {
		case timeType:
			t := v.Interface().(time.Time)
			if !t.IsZero() {
				v.Set(reflect.ValueOf(time.UnixMicro(t.UnixMicro()).UTC()))
			}
			return 0
		case addrType:
			return 0
		}
		for i := range v.NumField() {
			n += refers(v.Field(i))
		}
	case reflect.Pointer:
		if v.IsNil() {
			return 0
		}
		c := reflect.New(v.Type().Elem())
		c.Elem().Set(v.Elem())
		v.Set(c)
		return own(c.Elem())
	case reflect.Slice:
		if v.IsNil() {
			return 0
		}
		c := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(c, v)
		v.Set(c)
		for i := range c.Len() {
			n += own(c.Index(i))
		}
	case reflect.Interface: // a Check's value: a number, a string or a boolean
		return 16
	}
	return n
}
