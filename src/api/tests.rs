//! The routes as a client meets them, as far as no engine is needed.

use actix_web::http::{Method, StatusCode, header};
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, web};
use serde_json::Value;

use super::error::ApiError;
use super::routes::{endpoints, is_foreign, needs_caller};

macro_rules! app {
    () => {
        init_service(App::new().configure(|config| {
            for endpoint in endpoints() {
                config.service(endpoint.into_resource());
            }
            config.default_service(web::to(|| async { Err::<actix_web::HttpResponse, _>(ApiError::UnknownRoute) }));
        }))
        .await
    };
}

async fn problem(response: actix_web::dev::ServiceResponse) -> Value {
    assert_eq!(response.headers().get(header::CONTENT_TYPE).expect("a kind"), "application/problem+json");
    serde_json::from_slice(&read_body(response).await).expect("a problem is JSON")
}

#[actix_web::test]
async fn nothing_of_the_api_answers_without_a_key() {
    let app = app!();
    for endpoint in endpoints() {
        let path = endpoint.path.replace("{id}", "x");
        for method in endpoint.methods().into_iter().filter(|method| needs_caller(method, endpoint.path)) {
            let method: Method = method.parse().expect("a method");
            for authorization in [None, Some("Basic eDp5"), Some("Bearer nothing"), Some("")] {
                let mut request = TestRequest::with_uri(&path).method(method.clone());
                if let Some(value) = authorization {
                    request = request.insert_header((header::AUTHORIZATION, value));
                }
                let response = call_service(&app, request.to_request()).await;
                assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{method} {path} {authorization:?}");
                assert!(response.headers().contains_key(header::WWW_AUTHENTICATE), "{method} {path}");
                assert_eq!(problem(response).await["code"], "unauthorized");
            }
        }
    }
}

#[actix_web::test]
async fn another_method_is_refused_with_those_that_there_are() {
    let app = app!();
    for endpoint in endpoints() {
        let path = endpoint.path.replace("{id}", "x").replace("{token}", "x");
        let mut methods = endpoint.methods();
        let response = call_service(&app, TestRequest::with_uri(&path).method(Method::PUT).to_request()).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        let allow = response.headers().get(header::ALLOW).expect("it says which").to_str().expect("text").to_owned();
        if methods.contains(&"GET") {
            methods.push("HEAD");
        }
        assert_eq!(allow.split(", ").collect::<Vec<_>>(), methods, "{path}");
        if is_foreign(endpoint.path) {
            let refusal: Value = serde_json::from_slice(&read_body(response).await).expect("a refusal is JSON");
            assert_eq!((&refusal["code"], &refusal["status"]), (&20_004.into(), &405.into()), "{path}");
            continue;
        }
        assert_eq!(problem(response).await["code"], "method_not_allowed");
    }
}

#[actix_web::test]
async fn an_unknown_path_is_not_there() {
    let app = app!();
    for path in
        ["/v1", "/v1/", "/v1/contact", "/v1/contacts/", "/v1/contacts/x/y", "/admin/v1/lanes/x", "/v2/contacts", "/u/"]
    {
        let response = call_service(&app, TestRequest::get().uri(path).to_request()).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(problem(response).await["code"], "unknown_path");
    }
}

#[actix_web::test]
async fn health_and_the_unsubscribe_page_need_no_key_and_change_nothing() {
    let app = app!();
    let response = call_service(&app, TestRequest::get().uri("/healthz").to_request()).await;
    assert_eq!(response.status(), StatusCode::OK);
    let response = call_service(&app, TestRequest::get().uri("/u/some-token").to_request()).await;
    assert_eq!(response.status(), StatusCode::OK);
    let html = String::from_utf8(read_body(response).await.to_vec()).expect("text");
    assert!(html.contains("method=\"post\"") && !html.contains("some-token"));
}
