package main

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

const namespace = "default"

var boats = schema.GroupVersionResource{Group: "sea.example.com", Version: "v1", Resource: "boats"}
var boatKind = boats.GroupVersion().WithKind("Boat")

// customChecks define a kind of their own and use it.
var customChecks = []check{
	{"define a kind", defineKind},
	{"dynamic client and informer", useDynamic},
	{"metadata client", useMetadata},
	{"controller-runtime", runController},
}

func defineKind(ctx context.Context, config *rest.Config) error {
	binary := rest.CopyConfig(config)
	binary.ContentType = "application/vnd.kubernetes.protobuf"
	client := apiextensions.NewForConfigOrDie(binary).ApiextensionsV1().CustomResourceDefinitions()
	text := apiextensionsv1.JSONSchemaProps{Type: "string"}
	number := apiextensionsv1.JSONSchemaProps{Type: "integer"}
	object := func(properties map[string]apiextensionsv1.JSONSchemaProps) apiextensionsv1.JSONSchemaProps {
		return apiextensionsv1.JSONSchemaProps{Type: "object", Properties: properties}
	}
	root := object(map[string]apiextensionsv1.JSONSchemaProps{
		"spec": object(map[string]apiextensionsv1.JSONSchemaProps{
			"name":  text,
			"masts": number,
			"rig":   {Type: "string", Default: &apiextensionsv1.JSON{Raw: []byte(`"junk"`)}},
			"crew":  {Type: "array", Items: &apiextensionsv1.JSONSchemaPropsOrArray{Schema: &text}},
			"cargo": {Type: "object", AdditionalProperties: &apiextensionsv1.JSONSchemaPropsOrBool{Allows: true, Schema: &number}},
			"draft": {XIntOrString: true},
		}),
		"status": object(map[string]apiextensionsv1.JSONSchemaProps{"afloat": {Type: "boolean"}}),
	})
	definition := &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "boats.sea.example.com"},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: boats.Group,
			Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "boats", Kind: "Boat"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true,
				Schema:       &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &root},
				Subresources: &apiextensionsv1.CustomResourceSubresources{Status: &apiextensionsv1.CustomResourceSubresourceStatus{}},
			}},
		},
	}
	made, err := client.Create(ctx, definition, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	if got := made.Spec.Versions[0].Schema.OpenAPIV3Schema; !equality.Semantic.DeepEqual(got, &root) {
		return fmt.Errorf("another schema came back: %v", got)
	}
	return eventually(ctx, "the definition is established", func() bool {
		found, err := client.Get(ctx, definition.Name, metav1.GetOptions{})
		if err != nil {
			return false
		}
		for _, condition := range found.Status.Conditions {
			if condition.Type == apiextensionsv1.Established && condition.Status == apiextensionsv1.ConditionTrue {
				return true
			}
		}
		return false
	})
}

func boat(name string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"masts": int64(2)}}}
	object.SetGroupVersionKind(boatKind)
	object.SetName(name)
	object.SetNamespace(namespace)
	return object
}

func useDynamic(ctx context.Context, config *rest.Config) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(discovery.NewDiscoveryClientForConfigOrDie(config)))
	mapping, err := mapper.RESTMapping(boatKind.GroupKind())
	if err != nil {
		return err
	}
	if mapping.Resource != boats {
		return fmt.Errorf("%v is mapped to %v", boatKind, mapping.Resource)
	}
	dynamicClient := dynamic.NewForConfigOrDie(config)
	factory := dynamicinformer.NewDynamicSharedInformerFactory(dynamicClient, 0)
	informer := factory.ForResource(boats)
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	if _, err := dynamicClient.Resource(boats).Namespace(namespace).Create(ctx, boat("sampan"), metav1.CreateOptions{}); err != nil {
		return err
	}
	return eventually(ctx, "the informer has the boat", func() bool {
		_, err := informer.Lister().ByNamespace(namespace).Get("sampan")
		return err == nil
	})
}

func useMetadata(ctx context.Context, config *rest.Config) error {
	client := metadata.NewForConfigOrDie(config)
	list, err := client.Resource(boats).Namespace(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	if len(list.Items) != 1 || list.Items[0].Name != "sampan" {
		return fmt.Errorf("another list: %v", list.Items)
	}
	return nil
}

// reconciler floats boats: it gives each a ConfigMap of its own and says so in the boat's status.
type reconciler struct{ client.Client }

func (r reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	found := &unstructured.Unstructured{}
	found.SetGroupVersionKind(boatKind)
	if err := r.Get(ctx, request.NamespacedName, found); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	owned := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "log-of-" + request.Name, Namespace: request.Namespace}}
	_, err := controllerutil.CreateOrUpdate(ctx, r.Client, owned, func() error {
		owned.Data = map[string]string{"boat": request.Name}
		return controllerutil.SetControllerReference(found, owned, r.Scheme())
	})
	if err != nil {
		return ctrl.Result{}, err
	}
	if err := unstructured.SetNestedField(found.Object, true, "status", "afloat"); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{}, r.Status().Update(ctx, found)
}

func runController(ctx context.Context, config *rest.Config) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	log.SetLogger(zap.New(zap.UseDevMode(false)))
	manager, err := ctrl.NewManager(config, ctrl.Options{Metrics: metricsserver.Options{BindAddress: "0"}})
	if err != nil {
		return err
	}
	watched := &unstructured.Unstructured{}
	watched.SetGroupVersionKind(boatKind)
	err = ctrl.NewControllerManagedBy(manager).For(watched).Owns(&corev1.ConfigMap{}).Complete(reconciler{manager.GetClient()})
	if err != nil {
		return err
	}
	stopped := make(chan error, 1)
	go func() { stopped <- manager.Start(ctx) }()
	direct, err := client.New(config, client.Options{})
	if err != nil {
		return err
	}
	if err := direct.Create(ctx, boat("junk")); err != nil {
		return err
	}
	err = eventually(ctx, "the boat is afloat", func() bool {
		found := boat("junk")
		if err := direct.Get(ctx, client.ObjectKeyFromObject(found), found); err != nil {
			return false
		}
		afloat, _, _ := unstructured.NestedBool(found.Object, "status", "afloat")
		return afloat
	})
	cancel()
	if err != nil {
		return err
	}
	return <-stopped
}
